"""Image files decoded once: into memory, or into a file that is mapped and found again by the next run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import prod
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from ssl_pipeline.data.cache.decode_cache import DecodedRows, Troubles, decoded_once, passes
from ssl_pipeline.data.cache.folder import cache_folder, fingerprint
from ssl_pipeline.data.codecs.image import read_image
from ssl_pipeline.data.io.unreadable import Unreadable
from ssl_pipeline.data.memory import MemoryDataset
from ssl_pipeline.data.options import Cache

_log = logging.getLogger(__name__)

_VERSION = 2  # of the decoding: raise it when the same file comes out differently
_CHUNK = 32  # images a thread that are written at once


def decoded_images(
    files: Sequence[Path],
    size: int,
    channels: int,
    labels: Int64[Tensor, "N"] | None = None,
    cache: Cache = Cache(),
    refuse: Callable[[Unreadable], None] = lambda _: None,
) -> tuple[MemoryDataset, Unreadable]:
    """The files as squares of pixels, and those that cannot be read, whose rows stay black.

    Args:
        files: the images.
        size: height and width in pixels.
        channels: 1 (grey) or 3 (red, green, blue).
        labels: class of each file.
        cache: how they are decoded and kept.
        refuse: raises where too many cannot be read; what is refused is not kept.

    Raises:
        OSError: no room for the file.
    """
    shape = (channels, size, size)
    found = decoded_once(
        partial(_decode, files, shape, cache.threads),
        cache_folder(cache.folder) / fingerprint(files, f"images {_VERSION} {shape}"),
        cache.in_memory,
        needed=len(files) * prod(shape),
        refuse=lambda troubles: refuse(troubles.unreadable),
    )
    return found.dataset(labels, paths=tuple(str(file) for file in files)), dict(
        sorted(found.troubles.unreadable.items())
    )


def _decode(
    files: Sequence[Path], shape: tuple[int, int, int], workers: int, troubles: Troubles
) -> Iterator[DecodedRows]:
    channels, size, _ = shape

    def read(number: int, row: UInt8[np.ndarray, "C H W"]) -> None:
        try:
            row[:] = read_image(files[number], size, channels)
        except Exception as error:  # decoders raise whatever they like; every reason is named and counted
            if passes(error):
                raise
            troubles.unreadable[number] = (str(error) or type(error).__name__).replace(str(files[number]), "it")

    def finished(rows: UInt8[np.ndarray, "N C H W"], work: Iterator[None]) -> DecodedRows:
        for _ in work:
            pass
        return {"x": torch.from_numpy(rows)}

    _log.info("decoding %d images", len(files))
    step, ahead = _CHUNK * workers, None
    with ThreadPoolExecutor(workers) as pool:  # PIL decodes and torch resizes outside the interpreter lock
        for start in range(0, len(files), step):
            numbers = range(start, min(start + step, len(files)))
            rows = np.zeros((len(numbers), *shape), dtype=np.uint8)
            before, ahead = ahead, (rows, pool.map(read, numbers, rows))  # threads go on while a part is written
            if before is not None:
                yield finished(*before)
        if ahead is not None:
            yield finished(*ahead)
