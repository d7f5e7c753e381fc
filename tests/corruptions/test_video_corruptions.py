"""What corruptions do along the time of a clip."""

from __future__ import annotations

import torch
from helpers.views import seeded

from ssl_pipeline.corruptions import Crop, LowRes, Mask, Reversal
from ssl_pipeline.data import Clips
from ssl_pipeline.models.encoders import ViT
from ssl_pipeline.structures.batch import clean_view

CLIPS = Clips(size=8, channels=1, frames=4, fps=8)


def video(batch: int = 5):
    x = torch.rand(batch, 1, *CLIPS.grid.shape, generator=seeded())
    return clean_view(CLIPS.grid, x)


def test_tubes_reach_through_all_frames_and_leave_few_tokens():
    view = Mask(ratio=0.75, cell=[None, 4, 4]).bind(CLIPS.grid)(video(), seeded())
    assert view.mask is not None and torch.equal(view.mask, view.mask[:, :1].expand_as(view.mask))
    assert (view.mask.float().mean((1, 2, 3)) == 0.75).all()
    encoder = ViT(patch=[2, 4, 4], width=24, depth=1, heads=2).bind(CLIPS.grid, ["mask"])
    assert encoder({"mask": view})["mask"].tokens.shape == (5, 2, 24)  # one tube of two patches


def test_frames_are_dropped_and_the_ones_before_shown_on():
    clean = video()
    x = LowRes(factor=2, axes=["time"], upsample="hold").bind(CLIPS.grid)(clean, seeded()).x
    assert torch.equal(x, clean.x[:, :, [0, 0, 2, 2]])


def test_time_runs_backwards_and_the_encoder_cannot_tell():
    clean = video()
    view = Reversal(axes=["time"]).bind(CLIPS.grid)(clean, seeded())
    assert torch.equal(view.x, clean.x.flip(2)) and torch.equal(view.coords, clean.coords)
    assert torch.equal(view.source_coords, clean.source_coords.flip(1))


def test_crops_of_frames_are_the_same_in_all_of_them():
    """Window, mirror, light and blur: a clip of one picture stays one."""
    still = clean_view(CLIPS.grid, video().x[:, :, :1].repeat(1, 1, 4, 1, 1))
    options = {"scale": (0.3, 0.6), "flip": 0.5, "jitter": 1.0, "blur": 1.0}
    view = Crop(axes=["y", "x"], **options).bind(CLIPS.grid)(still, seeded())
    assert not torch.allclose(view.x, still.x)
    torch.testing.assert_close(view.x, view.x[:, :, :1].expand_as(view.x))
    moving = video()  # and blur leaves time alone
    blurred = Crop(scale=1.0, ratio=1.0, flip=0.0, jitter=0.0, blur=1.0).bind(CLIPS.grid)(moving, seeded()).x
    assert (blurred.mean((3, 4)) - moving.x.mean((3, 4))).abs().max() < 0.05
