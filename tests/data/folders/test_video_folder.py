"""Clips of videos in folders."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ssl_pipeline.data import Clips, video_folder
from ssl_pipeline.data.folders.video_folder import split_clips
from ssl_pipeline.data.io.video_frames import frames_of
from ssl_pipeline.data.options import Split

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
    data = video_folder(
        str(films), size=8, channels=1, frames=4, fps=8, windows={"stride": 0.25}, split={"holdout": 0.3}
    )
    assert data.classes == ("dark", "light") and data.test is not None
    assert len(data.train) + len(data.test) == 6 * 11  # windows of 4 of 24 frames, 2 apart
    assert not set(data.train.sources.tolist()) & set(data.test.sources.tolist())
    batch = data.train[[0, 1]]
    assert batch.x[:, 0, :, 0, 0].tolist() == [[0, 8, 16, 24], [16, 24, 32, 40]]  # whole frames of one grey, in order
    assert batch.source[0] == batch.source[1]
    cached = video_folder(
        str(films), size=8, channels=1, cache={"in_memory": False, "folder": str(tmp_path)}, split={"holdout": 0}
    )
    again = video_folder(
        str(films), size=8, channels=1, cache={"in_memory": False, "folder": str(tmp_path)}, split={"holdout": 0}
    )
    assert torch.equal(cached.train[range(18)].x, again.train[range(18)].x) and again.test is None


def test_a_single_video_is_split_by_time(tmp_path):
    film(tmp_path / "a.mkv")
    data = video_folder(
        str(tmp_path), size=8, channels=1, frames=4, windows={"stride": 0.25}, split={"holdout": 0.3}, source=1.0
    )
    assert data.test is not None and data.classes is None
    train, test = (part[range(len(part))].x[:, 0, :, 0, 0] for part in (data.train, data.test))
    assert train.max() < test.min()
    assert len(data.train.sources.unique()) == 2
    with pytest.raises(ValueError, match="one video of 1 clips cannot be split"):
        split_clips(torch.zeros(1).long(), torch.zeros(1), Split(0.1), 1.0)


def test_unreadable_and_short_videos_are_left_out(films, tmp_path):
    for file in films.rglob("*.mkv"):
        (tmp_path / f"{file.parent.name}{file.name}").write_bytes(file.read_bytes())
    (tmp_path / "broken.mp4").write_bytes(b"no video at all")
    film(tmp_path / "short.mkv", count=3)
    options = {"size": 8, "channels": 1, "frames": 4}
    with pytest.raises(ValueError, match=r"2 of 8 videos cannot be read.*shorter than a clip of 0.5 seconds"):
        video_folder(str(tmp_path), **options)
    with pytest.warns(UserWarning, match="2 of 8 videos cannot be read"):
        data = video_folder(str(tmp_path), **options, unreadable={"max_share": 0.3})
    assert len(data.train.sources.unique()) == 5
    corrupted = (films / "dark" / "0.mkv").read_bytes()
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "a.mkv").write_bytes(corrupted[: len(corrupted) // 2])
    found = [*frames_of(tmp_path / "cut" / "a.mkv", 8, 1)]
    assert 0 < len(found) < 24  # what there is of a file that ends too soon


def test_without_the_library_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "av", None)
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
