"""Any folder of videos, with or without class folders."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Data, Subset, held_out
from ssl_pipeline.data.cache.decode_cache import Decoded
from ssl_pipeline.data.cache.videos import decoded_videos
from ssl_pipeline.data.codecs.video import Clips
from ssl_pipeline.data.folders.tree import Tree
from ssl_pipeline.data.io.video_frames import VIDEO_ENDINGS, check_library
from ssl_pipeline.data.memory import MemoryDataset
from ssl_pipeline.data.options import Cache, Options, Split, UnreadableFiles, Windows


@register("data", "video_folder", settled={"cache.folder": None})
def video_folder(
    root: str,
    size: int = 64,
    channels: int = 3,
    frames: int = 8,
    fps: float | int = 8,
    windows: Windows | Options = Windows(),
    source: float | int | None = None,
    labels: bool | str = "auto",
    split: Split | Options = Split(),
    unreadable: UnreadableFiles | Options = UnreadableFiles(),
    cache: Cache | Options = Cache(),
) -> Data:
    """A tree of videos; its top-level folders are classes, or ``train`` and ``test`` (or ``val``), or mean nothing.

    Videos are set aside whole; of a single one the end is, and no clip of the training part reaches into it.

    Args:
        root: the folder.
        size: height and width in pixels: the shorter side is resized to it, the centre cropped.
        channels: 3, or 1 for grey.
        frames: of a clip.
        fps: frames a second: those of a video are left out or repeated, so that clips last ``frames / fps`` seconds.
        windows: how videos are cut.
        source: seconds of a video that are one source, for positives in a long one; None: the whole video is.
        labels: take the top-level folders as classes; "auto": where every video lies in one and there are at least two.
        split: which videos are held out.
        unreadable: what happens to files that cannot be read, or are shorter than a clip.
        cache: how they are decoded and kept.

    Raises:
        ModuleNotFoundError: PyAV is not installed.
        OSError: no such folder, or no video in it.
        ValueError: too many unreadable files, no classes where ``labels=true``, or another option outside its bounds.
    """
    check_library()
    windows, split = Windows.of(windows), Split.of(split)
    unreadable, cache = UnreadableFiles.of(unreadable), Cache.of(cache)
    codec = Clips(size, channels, frames, fps)
    step = frames if windows.stride is None else round(windows.stride * fps)
    if step < 1:
        raise ValueError(f"windows.stride={windows.stride} is less than one frame ({1 / fps:g} s): raise it")
    if source is not None and source < frames / fps:
        raise ValueError(f"source={source} is less than one clip ({frames / fps:g} s): raise it")
    tree = Tree.of(Path(root).expanduser(), VIDEO_ENDINGS, labels, "video")

    def load(part: str, first: int = 0) -> tuple[MemoryDataset, Decoded]:
        paths, label = tree.paths(part), tree.labels(part)
        video = (found := decoded_videos(paths, codec, step, cache, unreadable.limit)).rows["video"]
        number, videos = number_sources(video, found.rows["start"], source)
        names = (*[""] * first, *(str(paths[i]) for i in videos.tolist()))
        return found.dataset(None if label is None else label[video], first + number, names), found

    (train, found), test = load("train"), None
    if tree.has_test:
        test, _ = load("test", first=int(train.sources.max()) + 1)
    elif split.holdout:
        parts = split_clips(found.rows["video"], found.rows["start"], split, frames / fps)
        train, test = (Subset(train, rows.nonzero().flatten()) for rows in parts)
    return Data(grid=codec.grid, codec=codec, train=train, test=test, classes=tree.classes, name=tree.name)


def number_sources(
    video: Int64[Tensor, "N"], start: Float[Tensor, "N"], seconds: float | int | None
) -> tuple[Int64[Tensor, "N"], Int64[Tensor, "M"]]:
    """Source of each clip, and the video of each source.

    Args:
        video: number of each clip's video.
        start: seconds from its beginning.
        seconds: that are one source; None: all of a video.

    >>> number, of_video = number_sources(torch.tensor([0, 0, 0, 1]), torch.tensor([0.0, 1.0, 2.0, 0.0]), seconds=2)
    >>> number.tolist(), of_video.tolist()
    ([0, 0, 1, 2], [0, 0, 1])
    """
    part = torch.zeros_like(video) if seconds is None else (start.double() / seconds + 1e-6).long()
    found, number = torch.stack([video, part], dim=1).unique(dim=0, return_inverse=True)
    return number, found[:, 0]


def split_clips(
    video: Int64[Tensor, "N"], start: Float[Tensor, "N"], split: Split, seconds: float
) -> tuple[Bool[Tensor, "N"], Bool[Tensor, "N"]]:
    """Clips to train and to test on: of other videos; of a single one, the end of which is set aside, of other times.

    Args:
        video: number of each clip's video.
        start: seconds from its beginning.
        split: which share is held out.
        seconds: that a clip lasts.

    Raises:
        ValueError: nothing would be left.

    >>> train, test = split_clips(torch.zeros(5).long(), torch.arange(5) * 0.5, Split(0.2), seconds=1.0)
    >>> train.tolist(), test.tolist()
    ([True, True, True, False, False], [False, False, False, False, True])
    """
    if len(video.unique()) > 1:
        test = held_out(video, split.holdout, split.seed)
        return ~test, test
    held = max(1, round(len(start) * split.holdout))
    begin = float(start.sort().values[-held])
    test = start >= begin
    train = start + seconds <= begin + 1e-4
    if not train.any():
        raise ValueError(
            f"one video of {len(start)} clips cannot be split with split.holdout={split.holdout}: "
            f"add some or set split.holdout=0"
        )
    return train, test
