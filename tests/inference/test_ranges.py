"""Numbers in another range than the grid's are refused, and views of samples never are."""

from __future__ import annotations

import pytest
import torch
from helpers.inverse_models import CONV, IMAGE, X, holes, model, of_sound

from ssl_pipeline.data import LogMel, Waveform
from ssl_pipeline.structures.batch import Batch
from ssl_pipeline.structures.grid import GridSpec

HOLES = holes()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_elsewhere_is_refused(images, sounds, value):
    x = X.clone()
    x[3, 0, 7, 7] = value
    with pytest.raises(ValueError, match="expected finite values, got NaN or infinity in sample 3"):
        images.embed(x)
    with pytest.raises(ValueError, match="expected finite values outside the mask, got NaN or infinity in sample 3"):
        images.restore(x, "mask", HOLES)
    with pytest.raises(ValueError, match="got NaN or infinity in number 1"):
        sounds.embed([torch.zeros(64), torch.full((64,), value)])


@pytest.mark.parametrize(
    ("x", "found"),
    [
        (2 * X - 1, r"got -0\.9\d* to 0\.9\d*: bring them into this range"),
        (255 * X, r"got .* to 25\d\.\d*: pass uint8, or divide by 255"),
        (6 * X, r"got .* to 5\.99\d*: pass uint8"),
        (torch.where(X < 0.98, 0.0, 6.0), "got 0 to 6: pass uint8"),
        (X - 1000, r"got -999\.\d* to -999"),
        ((X - X.mean()) / X.std(), "got -1.* to 1.*: bring them into this range"),
        (X + 1, r"got 1\.01\d* to 1\.99"),
    ],
)
def test_another_range_is_refused_with_what_was_found(images, x, found):
    for some in (x, x.double(), x.numpy()):
        with pytest.raises(ValueError, match=r"expected floats in \(0.0, 1.0\), " + found):
            images.embed(some)


def test_what_is_hidden_does_not_dilute_another_range(images):
    most = torch.arange(8).expand(5, 8, 8) < 6
    with pytest.raises(ValueError, match=r"got -0\.\d* to 0\.99"):
        images.restore(2 * X - 1, "mask", most)


def views_of(whole, x, valid=None):
    for step in range(5):
        corrupted = whole.graph.corrupt(Batch(x, torch.arange(len(x)), valid=valid), step=step, whole=True)
        yield from corrupted.views.items()


BLACK = torch.zeros(5, 1, 8, 8)


@pytest.mark.parametrize("x", [X, BLACK, 1 - BLACK, (X > 0.8).float()], ids=["random", "black", "white", "strokes"])
@pytest.mark.parametrize("noise", ["[0,0.5]", "0.5", "2"])
def test_views_of_images_are_no_other_range(noise, x):
    sigma = [f"corruption.{name}={noise}" for name in ("noise.sigma", "lowres-noise.noise.sigma")]
    whole = model(*CONV, "corruption=mask+noise+lowres-noise", *sigma)
    seen = []
    for name, view in views_of(whole, x):
        seen.append(name)
        assert whole.embed(view.x, view=name, mask=view.mask).isfinite().all()
        if noise != "2":  # as far as is let through of a damage that is not named
            assert whole.embed(view.x).isfinite().all()
    assert seen == 5 * ["mask", "noise", "lowres-noise"]


@pytest.mark.parametrize("kind", [Waveform, LogMel])
@pytest.mark.parametrize("loud", [0.0, 0.01, 1.0])
def test_views_of_sounds_are_no_other_range(kind, loud):
    codec = kind(rate=8000, seconds=0.08)
    whole = model("encoder.widths=[8,16]", "decoder.widths=[8,8]", "corruption=mask+noise+lowres", grid=codec.grid)
    wave = loud * torch.sin(torch.arange(640) * torch.tensor([[0.1], [0.5], [1.0]]))
    x, valid = codec.encode([*wave, wave[0, :300]])
    seen = []
    for name, view in views_of(whole, x, valid):
        seen.append(name)
        assert whole.embed(view.x, view.valid, view=name, mask=view.mask).isfinite().all()
    assert seen == 5 * ["mask", "noise", "lowres"]


def test_sounds_of_another_range_are_refused():
    whole = of_sound(LogMel(rate=8000, seconds=0.08))
    with pytest.raises(ValueError, match=r"expected recordings .* got .* in number 0: divide by full scale"):
        whole.embed([1000 * torch.randn(640)])
    with pytest.raises(ValueError, match=r"expected floats in .* got -80 to .*: bring them into this range"):
        whole.embed(torch.linspace(-80, 0, 40 * 8).view(1, 1, 40, 8))
    assert whole.embed([1.5 * torch.sin(torch.arange(640) / 9)]).shape[0] == 1


def test_a_grid_that_swings_around_zero_has_its_own_range():
    grid = GridSpec.of(("y", 8), ("x", 8), channels=1, range=(-1.0, 1.0))
    assert IMAGE.range != grid.range
    assert model(*CONV, "corruption=noise", grid=grid).embed(2 * X - 1).shape == (5, 64)
