"""Any folder of videos, with or without class folders."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from ssl_pipeline.data.base import Data, Dataset, Subset, check_fraction, held_out
from ssl_pipeline.data.cache.decode_cache import Once
from ssl_pipeline.data.cache.videos import decoded_videos
from ssl_pipeline.data.codecs.video import Clips
from ssl_pipeline.data.folders.image_folder import choose_classes, find_parts, list_files, unreadable_limit
from ssl_pipeline.data.io.video_frames import ENDINGS, check_library
from ssl_pipeline.data.memory import MemoryDataset


def video_folder(
    root: str,
    size: int = 64,
    channels: int = 3,
    frames: int = 8,
    fps: float | int = 8,
    stride: float | int | None = None,
    source: float | int | None = None,
    labels: bool | str = "auto",
    holdout: float | int = 0.1,
    seed: int = 0,
    unreadable: str = "skip",
    max_unreadable: float | int = 0.05,
    in_memory: bool | str = "auto",
    cache: str | None = None,
    workers: int | None = None,
) -> Data:
    """A tree of videos; its top-level folders are classes, or ``train`` and ``test`` (or ``val``), or mean nothing.

    Videos are set aside whole. Of a single one the end is, and no clip of the training part reaches into it.

    Args:
        root: the folder.
        size: height and width in pixels: the shorter side is resized to it, the centre cropped.
        channels: 3, or 1 for grey.
        frames: of a clip.
        fps: frames a second: those of a video are left out or repeated, so that clips last ``frames / fps`` seconds.
        stride: seconds from the start of one clip to the next; None: no overlap.
        source: seconds of a video that are one source, for positives in a long one; None: the whole video is.
        labels: take the top-level folders as classes; "auto": where every video lies in one and there are at least two.
        holdout: fraction set aside for testing where there is no test folder.
        seed: of the choice of these.
        unreadable: leave unreadable files, and those shorter than a clip, out, or stop.
        max_unreadable: largest fraction to leave out before stopping all the same.
        in_memory: true: pixels in memory; false: in a mapped file; "auto": in such a file if decoding takes over 2 s.
        cache: folder of that file; ``~/.cache/ssl_pipeline`` by default.
        workers: decoding threads; as many as processors by default.

    Raises:
        ModuleNotFoundError: PyAV is not installed.
        FileNotFoundError: no such folder, or no video in it.
        NotADirectoryError: a file.
        ValueError: too many unreadable files, no classes where ``labels=true``, or another option outside its bounds.
    """
    check_library()
    check_fraction(holdout)
    codec, limit = Clips(size, channels, frames, fps), unreadable_limit(unreadable, max_unreadable)
    step = frames if stride is None else round(stride * fps)
    if step < 1 or (source is not None and source < frames / fps):
        raise ValueError(
            f"expected a stride of at least one frame and a source of at least one clip ({frames / fps:g} seconds), "
            f"got stride={stride} and source={source}: set larger ones"
        )
    path = Path(root).expanduser()
    places = find_parts(path, "video")
    files = {part: list_files(place, ENDINGS, "video") for part, place in places.items()}
    classes = choose_classes(files, labels, root, "video")

    def load(part: str, first: int = 0) -> tuple[MemoryDataset, Once]:
        paths = [places[part] / file for file in files[part]]
        found = decoded_videos(paths, codec, step, in_memory, cache, workers or os.cpu_count() or 1, limit)
        video = found.rows["video"]
        number, of_video = pieces(video, found.rows["start"], source)
        names = (*[""] * first, *(str(paths[i]) for i in of_video.tolist()))
        of_class = torch.tensor([classes.index(file.parts[0]) for file in files[part]]) if classes else None
        return found.dataset(None if of_class is None else of_class[video], first + number, names), found

    train, found = load("train")
    test: Dataset | None = None
    if "test" in places:
        test, _ = load("test", first=int(train.sources.max()) + 1)
    elif holdout:
        both = split(found.rows["video"], found.rows["start"], holdout, seed, frames / fps)
        train, test = (Subset(train, rows.nonzero().flatten()) for rows in both)
    return Data(grid=codec.grid, codec=codec, train=train, test=test, classes=classes, name=path.resolve().name)


def pieces(
    video: Int64[Tensor, "N"], start: Float[Tensor, "N"], seconds: float | int | None
) -> tuple[Int64[Tensor, "N"], Int64[Tensor, "M"]]:
    """Source of each clip, and the video of each source.

    Args:
        video: number of each clip's video.
        start: seconds from its beginning.
        seconds: that are one source; None: all of a video.

    >>> number, of_video = pieces(torch.tensor([0, 0, 0, 1]), torch.tensor([0.0, 1.0, 2.0, 0.0]), seconds=2)
    >>> number.tolist(), of_video.tolist()
    ([0, 0, 1, 2], [0, 0, 1])
    """
    part = torch.zeros_like(video) if seconds is None else (start.double() / seconds + 1e-6).long()
    found, number = torch.stack([video, part], dim=1).unique(dim=0, return_inverse=True)
    return number, found[:, 0]


def split(
    video: Int64[Tensor, "N"], start: Float[Tensor, "N"], fraction: float | int, seed: int, seconds: float
) -> tuple[Bool[Tensor, "N"], Bool[Tensor, "N"]]:
    """Clips to train and to test on: of other videos; of a single one, the end of which is set aside, of other times.

    Args:
        video: number of each clip's video.
        start: seconds from its beginning.
        fraction: to be set aside.
        seed: of the choice of videos.
        seconds: that a clip lasts.

    Raises:
        ValueError: nothing would be left.

    >>> train, test = split(torch.zeros(5).long(), torch.arange(5) * 0.5, 0.2, seed=0, seconds=1.0)
    >>> train.tolist(), test.tolist()
    ([True, True, True, False, False], [False, False, False, False, True])
    """
    if len(video.unique()) > 1:
        test = held_out(video, fraction, seed)
        return ~test, test
    held = max(1, round(len(start) * fraction))
    begin = float(start.sort().values[-held])
    test = start >= begin
    train = start + seconds <= begin + 1e-4
    if not train.any():
        raise ValueError(
            f"one video of {len(start)} clips cannot be split with holdout={fraction}: add some or set holdout=0"
        )
    return train, test
