"""Images decoded once: into memory, or into a file that is mapped and found again by the next run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64, Shaped
from torch import Tensor

from ssl_pipeline.data.cache.decode_cache import DecodedRows, FileProblems, decoded_once
from ssl_pipeline.data.cache.folder import cache_folder, fingerprint
from ssl_pipeline.data.codecs.image import Pixels, read_image
from ssl_pipeline.data.io.memory_budget import MemoryBudget
from ssl_pipeline.data.io.remarks import Note, noting, warn_remarks
from ssl_pipeline.data.io.unreadable import Unreadable, check_unreadable, refuse_unreadable
from ssl_pipeline.data.memory import Expanded, MemoryDataset
from ssl_pipeline.data.options import Cache

_log = logging.getLogger(__name__)

IMAGES_VERSION = 3  # of the decoding: raise it when the same file comes out differently
_CHUNK = 32  # images a thread that are written at once

ReadImage = Callable[[int, Note], Shaped[np.ndarray, "C H W"]]
"""A sample by its number, uint8 or floats, on which it may remark; raises whatever it likes where it cannot."""


def decoded_images(
    read: ReadImage,
    names: Sequence[str],
    key: str,
    codec: Pixels,
    labels: Int64[Tensor, "N"] | None = None,
    paths: tuple[str, ...] | None = None,
    cache: Cache = Cache(),
    limit: float | int = 0.05,
) -> tuple[MemoryDataset | Expanded, Unreadable]:
    """All images as squares of pixels, and those that cannot be read, whose rows stay black.

    Both these and images that are read otherwise than they may be meant are named. Floats of a codec with a range are
    kept in 16 bits.

    Args:
        read: an image by its number; called from several threads.
        names: of the images, for messages.
        key: name of the mapped file, the same for the same result.
        codec: of the pixels.
        labels: class of each image.
        paths: file of each image, where there is one.
        cache: how they are decoded and kept.
        limit: largest fraction of unreadable images that is left out.

    Raises:
        ValueError: too many cannot be read; what is refused is not kept.
        OSError: no room for the file.
    """
    found = decoded_once(
        partial(_decode, read, names, codec, cache.threads),
        cache_folder(cache.folder) / key,
        cache.in_memory,
        needed=len(names) * _rows(1, codec).nbytes,
        refuse=lambda problems: refuse_unreadable(names, problems.unreadable, limit),
    )
    unreadable = dict(sorted(found.problems.unreadable.items()))
    check_unreadable(names, unreadable, limit)
    warn_remarks(names, found.problems.remarks)
    stored = found.dataset(labels, paths=paths)
    return stored if codec.range is None else Expanded(stored, codec.expand), unreadable


def decoded_files(
    files: Sequence[Path],
    codec: Pixels,
    labels: Int64[Tensor, "N"] | None = None,
    cache: Cache = Cache(),
    limit: float | int = 0.05,
) -> tuple[MemoryDataset | Expanded, Unreadable]:
    """Files of images; see ``decoded_images``."""
    names, budget = tuple(map(str, files)), MemoryBudget()
    return decoded_images(
        read=lambda number, note: read_image(files[number], codec, note, budget),
        names=names,
        key=fingerprint(files, f"images {IMAGES_VERSION} {codec}"),
        codec=codec,
        labels=labels,
        paths=names,
        cache=cache,
        limit=limit,
    )


def _rows(count: int, codec: Pixels) -> Shaped[np.ndarray, "N C H W"]:
    """Room for stored images."""
    kind = np.uint8 if codec.range is None else np.int16
    return np.zeros((count, codec.channels, codec.size, codec.size), dtype=kind)


def _decode(
    read: ReadImage, names: Sequence[str], codec: Pixels, workers: int, problems: FileProblems
) -> Iterator[DecodedRows]:
    def fill(number: int, row: Shaped[np.ndarray, "C H W"]) -> None:
        try:
            row[:] = codec.compact(read(number, noting(problems.remarks, number)))
        except Exception as error:  # decoders raise whatever they like; every reason is named and counted
            problems.leave_out(number, names[number], error)

    def finished(rows: Shaped[np.ndarray, "N C H W"], work: Iterator[None]) -> DecodedRows:
        for _ in work:
            pass
        return {"x": torch.from_numpy(rows)}

    _log.info("decoding %d images", len(names))
    step, ahead = _CHUNK * workers, None
    with ThreadPoolExecutor(workers) as pool:  # PIL decodes and torch resizes outside the interpreter lock
        for start in range(0, len(names), step):
            numbers = range(start, min(start + step, len(names)))
            rows = _rows(len(numbers), codec)
            before, ahead = ahead, (rows, pool.map(fill, numbers, rows))  # threads go on while a part is written
            if before is not None:
                yield finished(*before)
        if ahead is not None:
            yield finished(*ahead)
