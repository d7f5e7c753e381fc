"""Images decoded once: into memory, or into a file that is mapped and found again by the next run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import prod
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from ssl_pipeline.data.cache.decode_cache import DecodedRows, Once, Troubles, decoded_once, passes
from ssl_pipeline.data.cache.folder import cache_folder, fingerprint
from ssl_pipeline.data.codecs.image import read_image
from ssl_pipeline.data.io.memory_budget import MemoryBudget
from ssl_pipeline.data.io.unreadable import check_unreadable, refuse_unreadable
from ssl_pipeline.data.options import Cache

_log = logging.getLogger(__name__)

VERSION = 2  # of the decoding: raise it when the same file comes out differently
_CHUNK = 32  # images a thread that are written at once

ReadImage = Callable[[int], UInt8[np.ndarray, "C H W"]]
"""An image by its number; raises whatever it likes where it cannot."""


def decoded_images(
    read: ReadImage,
    names: Sequence[str],
    key: str,
    shape: tuple[int, int, int],
    cache: Cache = Cache(),
    limit: float | int = 0.05,
) -> Once:
    """All images as squares of pixels; those that cannot be read are among the troubles, and their rows stay black.

    Args:
        read: an image by its number; called from several threads.
        names: of the images, for messages.
        key: name of the mapped file, the same for the same result.
        shape: channels, height and width.
        cache: how they are decoded and kept.
        limit: largest fraction of unreadable images that is left out.

    Raises:
        ValueError: too many cannot be read; what is refused is not kept.
        OSError: no room for the file.
    """
    found = decoded_once(
        partial(_decode, read, names, shape, cache.threads),
        cache_folder(cache.folder) / key,
        cache.in_memory,
        needed=len(names) * prod(shape),
        refuse=lambda troubles: refuse_unreadable(names, troubles.unreadable, limit),
    )
    check_unreadable(names, dict(sorted(found.troubles.unreadable.items())), limit)
    return found


def decoded_files(
    files: Sequence[Path], size: int, channels: int, cache: Cache = Cache(), limit: float | int = 0.05
) -> Once:
    """Files of images, of so many pixels a side and 1 (grey) or 3 channels; see ``decoded_images``."""
    shape, budget = (channels, size, size), MemoryBudget()
    return decoded_images(
        read=lambda number: read_image(files[number], size, channels, budget),
        names=[str(file) for file in files],
        key=fingerprint(files, f"images {VERSION} {shape}"),
        shape=shape,
        cache=cache,
        limit=limit,
    )


def _decode(
    read: ReadImage, names: Sequence[str], shape: tuple[int, int, int], workers: int, troubles: Troubles
) -> Iterator[DecodedRows]:
    def fill(number: int, row: UInt8[np.ndarray, "C H W"]) -> None:
        try:
            row[:] = read(number)
        except Exception as error:  # decoders raise whatever they like; every reason is named and counted
            if passes(error):
                raise
            troubles.unreadable[number] = (str(error) or type(error).__name__).replace(names[number], "it")

    def finished(rows: UInt8[np.ndarray, "N C H W"], work: Iterator[None]) -> DecodedRows:
        for _ in work:
            pass
        return {"x": torch.from_numpy(rows)}

    _log.info("decoding %d images", len(names))
    step, ahead = _CHUNK * workers, None
    with ThreadPoolExecutor(workers) as pool:  # PIL decodes and torch resizes outside the interpreter lock
        for start in range(0, len(names), step):
            numbers = range(start, min(start + step, len(names)))
            rows = np.zeros((len(numbers), *shape), dtype=np.uint8)
            before, ahead = ahead, (rows, pool.map(fill, numbers, rows))  # threads go on while a part is written
            if before is not None:
                yield finished(*before)
        if ahead is not None:
            yield finished(*ahead)
