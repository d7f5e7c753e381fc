"""Clips: folders of videos, damages along time, and what runs, reports and commands make of them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.views import seeded

import ssl_pipeline
from ssl_pipeline.cli.commands.embed import embed
from ssl_pipeline.cli.commands.restore import restore
from ssl_pipeline.config.compose import compose
from ssl_pipeline.corruptions import Crop, LowRes, Mask, Reversal
from ssl_pipeline.data import Clips, MotionSegments, moving_digits, objects, video_folder
from ssl_pipeline.data.folders.video_folder import split
from ssl_pipeline.data.io.video_frames import frames_of
from ssl_pipeline.models.encoders import TransformerEncoder
from ssl_pipeline.structures.batch import clean_view
from ssl_pipeline.training import run

CLIPS = Clips(size=8, channels=1, frames=4, fps=8)


def film(file: Path, count: int = 24, rate: int = 8, shape: tuple[int, int] = (16, 24), shade: int = 0) -> None:
    """Frame k is of grey 8 k + shade."""
    pytest.importorskip("av")
    from ssl_pipeline.data.io.video_frames import write_frames

    file.parent.mkdir(parents=True, exist_ok=True)
    write_frames(file, np.stack([np.full((*shape, 1), 8 * k + shade, np.uint8) for k in range(count)]), rate)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Two classes of three videos each, of three seconds."""
    root = tmp_path_factory.mktemp("films")
    for kind in ("dark", "light"):
        for number in range(3):
            film(root / kind / f"{number}.mkv", shade=7 * (kind == "light"))
    return root


def test_frames_come_at_even_times(tmp_path):
    film(tmp_path / "a.mkv")
    shades = {fps: [int(f[0, 0, 0]) // 8 for f in frames_of(tmp_path / "a.mkv", fps, 1)] for fps in (8, 4, 16)}
    assert shades[8] == list(range(24))
    assert shades[4] == list(range(0, 24, 2))
    assert shades[16] == [k // 2 for k in range(48)]


def test_a_folder_of_videos(films, tmp_path):
    data = video_folder(str(films), size=8, channels=1, frames=4, fps=8, stride=0.25, holdout=0.3)
    assert data.classes == ("dark", "light") and data.test is not None
    assert len(data.train) + len(data.test) == 6 * 11  # windows of 4 of 24 frames, 2 apart
    assert not set(data.train.sources.tolist()) & set(data.test.sources.tolist())
    batch = data.train[[0, 1]]
    assert batch.x[:, 0, :, 0, 0].tolist() == [[0, 8, 16, 24], [16, 24, 32, 40]]  # whole frames of one grey, in order
    assert batch.source[0] == batch.source[1]
    cached = video_folder(str(films), size=8, channels=1, in_memory=False, cache=str(tmp_path), holdout=0)
    again = video_folder(str(films), size=8, channels=1, in_memory=False, cache=str(tmp_path), holdout=0)
    assert torch.equal(cached.train[range(18)].x, again.train[range(18)].x) and again.test is None


def test_a_single_video_is_split_by_time(tmp_path):
    film(tmp_path / "a.mkv")
    data = video_folder(str(tmp_path), size=8, channels=1, frames=4, stride=0.25, holdout=0.3, source=1.0)
    assert data.test is not None and data.classes is None
    train, test = (part[range(len(part))].x[:, 0, :, 0, 0] for part in (data.train, data.test))
    assert train.max() < test.min()
    assert len(data.train.sources.unique()) == 2
    with pytest.raises(ValueError, match="one video of 1 clips cannot be split"):
        split(torch.zeros(1).long(), torch.zeros(1), 0.1, 0, 1.0)


def test_unreadable_and_short_videos_are_left_out(films, tmp_path):
    for file in films.rglob("*.mkv"):
        (tmp_path / f"{file.parent.name}{file.name}").write_bytes(file.read_bytes())
    (tmp_path / "broken.mp4").write_bytes(b"no video at all")
    film(tmp_path / "short.mkv", count=3)
    options = {"size": 8, "channels": 1, "frames": 4}
    with pytest.raises(ValueError, match=r"2 of 8 videos cannot be read.*shorter than a clip of 0.5 seconds"):
        video_folder(str(tmp_path), **options)
    with pytest.warns(UserWarning, match="2 of 8 videos cannot be read"):
        data = video_folder(str(tmp_path), **options, max_unreadable=0.3)
    assert len(data.train.sources.unique()) == 5
    damaged = (films / "dark" / "0.mkv").read_bytes()
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "a.mkv").write_bytes(damaged[: len(damaged) // 2])
    found = [*frames_of(tmp_path / "cut" / "a.mkv", 8, 1)]
    assert 0 < len(found) < 24  # what there is of a file that ends too soon


def test_without_the_library_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setattr("ssl_pipeline.data.io.video_frames.find_spec", lambda _: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'ssl_pipeline\[video\]'"):
        video_folder(str(tmp_path))


def test_clips_of_files_and_of_arrays(films, tmp_path):
    x, _ = CLIPS.encode([films / "dark" / "0.mkv", np.zeros((5, 9, 12, 1), np.uint8)])
    assert x[0, 0, :, 0, 0].tolist() == [0, 8, 16, 24] and x.shape == (2, *(1, 4, 8, 8))
    assert torch.equal(torch.from_numpy(CLIPS.decode(x)[0]).movedim(-1, 0), x[0])
    with pytest.raises(ValueError, match="expected frames"):
        CLIPS.encode([np.zeros((5, 9, 12, 3), np.uint8)])
    with pytest.raises(ValueError, match="give a longer"):
        CLIPS.encode([np.zeros((3, 9, 12, 1), np.uint8)])
    from PIL import Image

    with Image.open(CLIPS.write(tmp_path / "x", x[0])) as image:
        assert image.n_frames == 4 and image.info["duration"] == 120


def video(batch: int = 5):
    x = torch.rand(batch, 1, *CLIPS.grid.shape, generator=seeded())
    return clean_view(CLIPS.grid, x)


def test_tubes_reach_through_all_frames_and_leave_few_tokens():
    view = Mask(grid=CLIPS.grid, ratio=0.75, cell=[None, 4, 4])(video(), seeded())
    assert view.removed is not None and torch.equal(view.removed, view.removed[:, :1].expand_as(view.removed))
    assert (view.removed.float().mean((1, 2, 3)) == 0.75).all()
    encoder = TransformerEncoder(grid=CLIPS.grid, views=["mask"], patch=[2, 4, 4], width=24, depth=1, heads=2)
    assert encoder({"mask": view})["mask"].tokens.shape == (5, 2, 24)  # one tube of two patches


def test_frames_are_dropped_and_the_ones_before_shown_on():
    clean = video()
    x = LowRes(grid=CLIPS.grid, factor=2, axes=["time"], upsample="hold")(clean, seeded()).x
    assert torch.equal(x, clean.x[:, :, [0, 0, 2, 2]])


def test_time_runs_backwards_and_the_encoder_cannot_tell():
    clean = video()
    view = Reversal(grid=CLIPS.grid, axes=["time"])(clean, seeded())
    assert torch.equal(view.x, clean.x.flip(2)) and torch.equal(view.position, clean.position)
    assert torch.equal(view.origin, clean.origin.flip(1))


def test_crops_of_frames_are_the_same_in_all_of_them():
    """Window, mirror, light and blur: a clip of one picture stays one."""
    still = clean_view(CLIPS.grid, video().x[:, :, :1].repeat(1, 1, 4, 1, 1))
    options = {"scale": (0.3, 0.6), "flip": 0.5, "jitter": 1.0, "blur": 1.0}
    view = Crop(grid=CLIPS.grid, axes=["y", "x"], **options)(still, seeded())
    assert not torch.allclose(view.x, still.x)
    torch.testing.assert_close(view.x, view.x[:, :, :1].expand_as(view.x))
    moving = video()  # and blur leaves time alone
    blurred = Crop(grid=CLIPS.grid, scale=1.0, ratio=1.0, flip=0.0, jitter=0.0, blur=1.0)(moving, seeded()).x
    assert (blurred.mean((3, 4)) - moving.x.mean((3, 4))).abs().max() < 0.05


QUICK = ["probe.online=0", "probe.baselines=false", "probe.protocol.few=0"]
SMALL = ["data.clips=64", "data.frames=4", "data.size=16", "batch_size=8", "trainer.max_steps=3", *QUICK]
NARROW = ["encoder.widths=[8,8]", "decoder.widths=[8,8,8]"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    summary = run(compose(["experiment=video_dag", *SMALL, *NARROW]), str(folder))
    return folder, summary


def test_a_run_restores_clips_and_writes_them(trained):
    folder, summary = trained
    for view in ("lowres", "reversal", "noise", "mask"):
        assert np.isfinite(summary[f"psnr/{view}"]) and (folder / "samples" / f"0_{view}_restored.gif").is_file()
    assert summary["psnr_input/lowres"] > summary["psnr_input/reversal"]  # half of the frames are right
    model = ssl_pipeline.load(folder)
    assert model.codec == Clips(16, 1, 4, 8)
    x = torch.randint(0, 255, (2, 1, 4, 16, 16), dtype=torch.uint8)
    assert model.restore(x, "reversal").shape == x.shape
    assert torch.equal(model.embed(x), model.embed([*x.movedim(1, -1).numpy()]))


def test_files_are_embedded_and_restored(trained, films, tmp_path):
    folder, _ = trained
    embed(folder, tmp_path / "z.npz", source=films, device="cpu")
    table = np.load(tmp_path / "z.npz")
    assert table["embedding"].shape[0] == 6 * 6
    assert table["id"].tolist()[:2] == ["dark/0.mkv@0.000", "dark/0.mkv@0.500"]
    restore(folder, "noise", films / "dark", tmp_path / "out", device="cpu")
    frames = [*frames_of(tmp_path / "out" / "0.mkv", 8, 1)]
    assert len(frames) == 24 and frames[0].shape == (16, 24, 1)
    assert (tmp_path / "out" / "before_and_after.png").is_file()
    with pytest.raises(ValueError, match="has holes"):
        restore(folder, "mask", films / "dark", tmp_path / "holes", device="cpu")


@pytest.mark.page
@pytest.mark.slow
def test_the_report_shows_strips_of_frames(tmp_path):
    run(compose(["experiment=video_dag", *SMALL, *NARROW]), str(tmp_path))
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png") >= 4


def test_moving_digits_are_the_same_each_time_and_others_where_held_out():
    one, same, other = (moving_digits(clips=32, seed=seed) for seed in (0, 0, 1))
    assert one.test is not None and same.test is not None
    assert torch.equal(one.test[range(8)].x, same.test[range(8)].x)
    assert not torch.equal(one.train[range(8)].x, other.train[range(8)].x)
    assert not set(one.train.sources.tolist()) & set(one.test.sources.tolist())
    assert one.train.sources.tolist()[:4] == [0, 0, 1, 1]
    with pytest.raises(ValueError, match="at least 8 sources"):
        moving_digits(clips=8)


def test_objects_are_sources_and_know_their_digit():
    of = moving_digits(clips=16, frames=16, size=48, per_source=1, digits=1, maps=True)
    data = objects(of, MotionSegments(around=None), size=16)
    assert data.classes is not None and data.classes[-1] == "nothing" and data.train.labels is not None
    for source in data.train.sources.unique():
        assert len(data.train.labels[data.train.sources == source].unique()) == 1
    known = set(of.train.labels.tolist()) | {10}
    assert set(data.train.labels.tolist()) <= known and (data.train.labels < 10).float().mean() > 0.8
    frames = objects(of, MotionSegments(), what="frames", size=16, times=3)
    assert len(frames.train) == 36 and frames.train.labels.tolist()[::3] == of.train.labels.tolist()
    with pytest.raises(ValueError, match="expected stored clips"):
        objects(data, MotionSegments())
