"""Large images cut into windows at full resolution: read once, kept as squares."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int64, Shaped
from torch import Tensor

from ssl_pipeline.data.cache.decode_cache import DecodedRows, FileProblems, decoded_once
from ssl_pipeline.data.cache.folder import cache_folder, fingerprint
from ssl_pipeline.data.cache.images import IMAGES_VERSION
from ssl_pipeline.data.codecs.image import Pixels
from ssl_pipeline.data.io.image_file import open_image
from ssl_pipeline.data.io.memory_budget import MemoryBudget
from ssl_pipeline.data.io.pixel_values import memory_for
from ssl_pipeline.data.io.remarks import Note, noting, warn_remarks
from ssl_pipeline.data.io.unreadable import check_unreadable, refuse_unreadable
from ssl_pipeline.data.memory import Expanded, MemoryDataset
from ssl_pipeline.data.options import Cache

_log = logging.getLogger(__name__)


class Tiles(NamedTuple):
    """Stored tiles, in the order of the files, row by row of each image."""

    stored: MemoryDataset | Expanded
    image: Int64[Tensor, "N"]  # number of the file


def tiles_of_files(
    files: Sequence[Path],
    codec: Pixels,
    stride: int,
    labels: Int64[Tensor, "N"] | None = None,
    cache: Cache = Cache(),
    limit: float | int = 0.05,
) -> Tiles:
    """Windows of the codec's size of all images, the last of each row and column at the edge.

    Args:
        files: images, each at least a tile high and wide.
        codec: of the pixels.
        stride: pixels from one tile to the next.
        labels: class of each file.
        cache: how they are decoded and kept.
        limit: largest fraction of unreadable images that is left out.

    Raises:
        ValueError: too many cannot be read, or are smaller than a tile.
        OSError: no room for the mapped file.
    """
    names = tuple(map(str, files))
    found = decoded_once(
        partial(_decode, files, codec, stride, cache.threads),
        cache_folder(cache.folder) / fingerprint(files, f"tiles {IMAGES_VERSION} {codec} {stride}"),
        cache.in_memory,
        refuse=lambda problems: refuse_unreadable(names, problems.unreadable, limit),
    )
    check_unreadable(names, dict(sorted(found.problems.unreadable.items())), limit)
    warn_remarks(names, found.problems.remarks)
    image = found.rows["image"]
    stored = found.dataset(None if labels is None else labels[image])
    return Tiles(stored if codec.range is None else Expanded(stored, codec.expand), image)


def cut_tiles(pixels: Shaped[np.ndarray, "H W C"], side: int, stride: int) -> Shaped[np.ndarray, "N C side side"]:
    """Windows of an image, row by row.

    Raises:
        ValueError: the image is smaller than one.

    >>> cut_tiles(np.zeros((5, 8, 3), np.uint8), side=4, stride=4).shape
    (4, 3, 4, 4)
    """
    height, width = pixels.shape[:2]
    if min(height, width) < side:
        raise ValueError(f"it has {width} x {height} pixels, fewer than data.tile={side} each way")
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (side, side), axis=(0, 1))
    rows, columns = (_starts(length, side, stride) for length in (height, width))
    return np.ascontiguousarray(windows[np.ix_(rows, columns)].reshape(-1, pixels.shape[2], side, side))


def _starts(length: int, side: int, stride: int) -> list[int]:
    starts = [*range(0, length - side + 1, stride)]
    return starts if starts[-1] == length - side else [*starts, length - side]


def _decode(
    files: Sequence[Path], codec: Pixels, stride: int, workers: int, problems: FileProblems
) -> Iterator[DecodedRows]:
    budget = MemoryBudget()

    def read(number: int) -> Shaped[np.ndarray, "N C H W"] | None:
        try:
            whole = _whole(files[number], codec, noting(problems.remarks, number), budget)
            return codec.compact(cut_tiles(whole, codec.size, stride))
        except Exception as error:  # decoders raise whatever they like; every reason is named and counted
            problems.leave_out(number, str(files[number]), error)
            return None

    _log.info("cutting %d images", len(files))
    with ThreadPoolExecutor(workers) as pool:  # PIL decodes outside the interpreter lock
        for start in range(0, len(files), workers):
            numbers = range(start, min(start + workers, len(files)))
            for number, rows in zip(numbers, pool.map(read, numbers), strict=True):
                if rows is not None:
                    yield {"x": torch.from_numpy(rows), "image": torch.full((len(rows),), number)}


def _whole(file: Path, codec: Pixels, note: Note, budget: MemoryBudget) -> Shaped[np.ndarray, "H W C"]:
    with open_image(file) as image, budget.taken(memory_for(image, codec.channels, codec.range is not None)):
        return codec.whole(image, note)
