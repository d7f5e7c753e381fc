"""Images of the objects that move in clips; those of one object at several times are one source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64, Integer, UInt8
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Data, Dataset, Stream
from ssl_pipeline.data.codecs.image import Pixels
from ssl_pipeline.data.memory import MemoryDataset
from ssl_pipeline.data.sampling import sequential_batches
from ssl_pipeline.data.synthetic.moving_digits import CELLS
from ssl_pipeline.structures.batch import as_float

Segments = Callable[[np.ndarray], np.ndarray]
"""From the brightness (T, H, W) of a clip to the number of the object at each cell; 0 where there is none."""

CROPS = ("objects", "frames")
_NOTHING = "nothing"
"""Class of what moves where nothing is known to be."""
_KNOWN = 0.2
"""Share of an object's cells that must be of some class."""
_UNLABELLED = -1


class Crops(NamedTuple):
    """Images that were cut out of a clip."""

    x: UInt8[Tensor, "n C S S"]
    object: Int64[Tensor, "n"]  # from 0 on
    label: Int64[Tensor, "n"] | None = None


@register("data", "objects", parts={"of": "data", "motion": "segments"})
def objects(
    of: Data, motion: Segments, what: str = "objects", size: int = 32, times: int = 4, margin: float | int = 1.3
) -> Data:
    """Squares around each thing that moves in the clips of a data set, at several times; or, to compare, whole frames.

    The class of an image is that of its clip. Where the set tells the class of each cell as a column ``cells``, 0 for
    none and else 1 more than its number, it is the one that most of the object's cells have, or "nothing".

    Args:
        of: clips on a grid (time, y, x).
        motion: finds the objects of a clip.
        what: "objects", each of which is a source; or "frames" of the clips, and each clip is a source.
        size: height and width in pixels.
        times: images of an object, spread over the frames in which it was seen; or frames of a clip.
        margin: side of a square over the longer side of the object, as it usually is.

    Raises:
        ValueError: no clips, another ``what``, a number below its least, or nothing that moves.
    """
    if what not in CROPS:
        raise ValueError(f"expected what to be one of {', '.join(CROPS)}, got {what!r}")
    if times < 1 or margin <= 0:
        raise ValueError(f"expected times of at least 1 and a margin above 0, got times={times}, margin={margin}")
    if of.grid.names != ("time", "y", "x") or not of.grid.channels or isinstance(of.train, Stream):
        raise ValueError(
            f"expected stored clips on a grid of time, y, x, got {of.name} on {', '.join(of.grid.names)}: "
            f"take data.of=moving_digits or data.of=video_folder"
        )
    known, nothing = what == "objects" and CELLS in of.columns, len(of.classes or ())

    def cut(clip: Float[Tensor, "T C H W"], label: int, cells: Tensor | None) -> Crops:
        if what == "frames":
            return whole_frames(clip, size, times, label)
        found = objects_of(clip, ids := motion(clip.mean(1).numpy()), size, times, margin)
        label_of = torch.full((int(ids.max()) + 1,), label) if cells is None else classes_of(ids, cells, nothing)
        return Crops(found.x, found.object, label_of[found.object + 1])

    def made(part: Dataset, first: int = 0) -> MemoryDataset:
        crops = []
        for batch in sequential_batches(part, 64):
            clips = as_float(batch.x, of.grid).transpose(1, 2)
            labels = [_UNLABELLED] * len(clips) if batch.label is None else batch.label.tolist()
            cells = batch.columns[CELLS].x if known else [None] * len(clips)
            crops += map(cut, clips, labels, cells)
        return stored(crops, first)

    train = made(of.train)
    test = None if of.test is None else made(of.test, int(train.sources.max()) + 1)
    return Data(
        grid=Pixels(size, of.grid.channels).grid,
        codec=Pixels(size, of.grid.channels),
        train=train,
        test=test,
        classes=(*(of.classes or ()), _NOTHING) if known else of.classes,
        name=f"{what} of {of.name}",
    )


def objects_of(
    clip: Float[Tensor, "T C H W"], ids: Integer[np.ndarray, "T H W"], size: int, times: int, margin: float | int
) -> Crops:
    """Squares around the objects of a clip, moved into it where they reach beyond; larger ones continue its border.

    Args:
        clip: frames.
        ids: number of the object at each cell, from 1 on; 0 where there is none.
        size: height and width in pixels.
        times: squares of an object, at most.
        margin: see ``objects``.

    >>> ids = np.zeros((3, 8, 8), dtype=np.int64); ids[:, 2:4, 2:4] = 1
    >>> objects_of(torch.ones(3, 1, 8, 8), ids, size=4, times=2, margin=1.0).x.shape
    torch.Size([2, 1, 4, 4])
    """
    from torchvision.ops import RoIAlign

    boxes, numbers = [], []
    for number, seen in boxes_of(ids).items():
        side = margin * float(np.median([max(high - top, wide - left) for _, top, high, left, wide in seen]))
        for i in np.unique(np.linspace(0, len(seen) - 1, times).round().astype(int)):
            t, top, high, left, wide = seen[i]
            y, x = (
                float(np.clip((low + end) / 2, min(side, n) / 2, n - min(side, n) / 2))
                for low, end, n in ((top, high, ids.shape[1]), (left, wide, ids.shape[2]))
            )
            boxes.append((t, x - side / 2, y - side / 2, x + side / 2, y + side / 2))
            numbers.append(number - 1)
    if not boxes:
        return Crops(clip.new_empty(0, clip.shape[1], size, size, dtype=torch.uint8), torch.empty(0).long())
    where = torch.tensor(boxes, dtype=torch.float32)
    border = int(max((where[:, 3:] - where[:, 1:3]).max() / 2, 0)) + 1
    where[:, 1:] += border
    padded = F.pad(clip, [border] * 4, mode="replicate")
    return Crops(_pixels(RoIAlign(size, 1.0, -1, aligned=True)(padded, where)), torch.tensor(numbers))


def boxes_of(ids: Integer[np.ndarray, "T H W"]) -> dict[int, list[tuple[int, int, int, int, int]]]:
    """Frame, first and last row, first and last column (the last ones excluded) of each object, wherever it is seen."""
    found: dict[int, list[tuple[int, int, int, int, int]]] = {}
    for t, frame in enumerate(ids):
        for number, box in enumerate(ndimage.find_objects(frame), 1):
            if box is not None:
                y, x = box
                found.setdefault(number, []).append((t, y.start, y.stop, x.start, x.stop))
    return found


def classes_of(
    ids: Integer[np.ndarray, "T H W"], cells: Int64[Tensor, "T H W"], nothing: int
) -> Int64[Tensor, "objects"]:
    """Class of each object, the first of which stands for no object.

    Args:
        ids: number of the object at each cell, from 1 on; 0 where there is none.
        cells: 0 where there is no class, else 1 more than its number.
        nothing: class of objects of which fewer than a fifth of the cells are of any.

    >>> classes_of(np.array([[[0, 1, 1, 2]]]), torch.tensor([[[0, 8, 8, 0]]]), nothing=10).tolist()
    [10, 7, 10]
    """
    count = np.zeros((int(ids.max()) + 1, nothing + 1), dtype=np.int64)
    np.add.at(count, (ids.ravel(), cells.numpy().ravel()), 1)
    known = count[:, 1:]
    enough = known.sum(axis=1) >= _KNOWN * count.sum(axis=1)
    enough[0] = False
    return torch.from_numpy(np.where(enough, known.argmax(axis=1), nothing))


def whole_frames(clip: Float[Tensor, "T C H W"], size: int, times: int, label: int) -> Crops:
    """Whole frames of a clip, evenly spread."""
    chosen = torch.linspace(0, len(clip) - 1, min(times, len(clip))).round().long()
    x = F.interpolate(clip[chosen], size=(size, size), mode="bilinear", antialias=True)
    return Crops(_pixels(x), torch.zeros(len(x)).long(), torch.full((len(x),), label))


def stored(crops: Sequence[Crops], first: int = 0) -> MemoryDataset:
    """Images of all clips, each object a source of its own.

    Args:
        crops: of each clip.
        first: number of the first source.

    Raises:
        ValueError: there is no image.
    """
    if not any(len(some.x) for some in crops):
        raise ValueError("nothing moves in these clips: lower data.motion.threshold, or take longer clips")
    count = torch.tensor([int(some.object.max()) + 1 if len(some.x) else 0 for some in crops])
    before = (count.cumsum(0) - count).tolist()
    labels = torch.cat([some.label for some in crops if some.label is not None])
    return MemoryDataset(
        torch.cat([some.x for some in crops]),
        labels=None if _UNLABELLED in labels else labels,
        source=first + torch.cat([some.object + n for some, n in zip(crops, before, strict=True)]),
    )


def _pixels(x: Float[Tensor, "n C S S"]) -> UInt8[Tensor, "n C S S"]:
    return (x.clamp(0, 1) * 255).round().to(torch.uint8)
