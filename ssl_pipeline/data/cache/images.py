"""Image files decoded once: into memory, or into a file that is mapped and found again by the next run."""

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

from ssl_pipeline.data.cache.decode_cache import DecodedRows, Troubles, decoded_once, passes
from ssl_pipeline.data.cache.folder import cache_folder, fingerprint
from ssl_pipeline.data.codecs.image import Pixels, read_image
from ssl_pipeline.data.io.remarks import noting, warn_remarks
from ssl_pipeline.data.io.unreadable import Unreadable
from ssl_pipeline.data.memory import Expanded, MemoryDataset
from ssl_pipeline.data.options import Cache

_log = logging.getLogger(__name__)

_VERSION = 3  # of the decoding: raise it when the same file comes out differently
_CHUNK = 32  # images a thread that are written at once


def decoded_images(
    files: Sequence[Path],
    codec: Pixels,
    labels: Int64[Tensor, "N"] | None = None,
    cache: Cache = Cache(),
    refuse: Callable[[Unreadable], None] = lambda _: None,
) -> tuple[MemoryDataset | Expanded, Unreadable]:
    """The files as squares of pixels, and those that cannot be read, whose rows stay black.

    Floats of a codec with a range are kept in 16 bits. Files that are read otherwise than they may be meant are named.

    Args:
        files: the images.
        codec: of the pixels.
        labels: class of each file.
        cache: how they are decoded and kept.
        refuse: raises where too many cannot be read; what is refused is not kept.

    Raises:
        OSError: no room for the file.
    """
    found = decoded_once(
        partial(_decode, files, codec, cache.threads),
        cache_folder(cache.folder) / fingerprint(files, f"images {_VERSION} {codec}"),
        cache.in_memory,
        needed=len(files) * _rows(1, codec).nbytes,
        refuse=lambda troubles: refuse(troubles.unreadable),
    )
    stored = found.dataset(labels, paths=tuple(str(file) for file in files))
    warn_remarks(files, found.troubles.remarks)
    dataset = stored if codec.range is None else Expanded(stored, codec.expand)
    return dataset, dict(sorted(found.troubles.unreadable.items()))


def _rows(count: int, codec: Pixels) -> Shaped[np.ndarray, "N C H W"]:
    """Room for stored images."""
    kind = np.uint8 if codec.range is None else np.int16
    return np.zeros((count, codec.channels, codec.size, codec.size), dtype=kind)


def _decode(files: Sequence[Path], codec: Pixels, workers: int, troubles: Troubles) -> Iterator[DecodedRows]:
    def read(number: int, row: Shaped[np.ndarray, "C H W"]) -> None:
        try:
            row[:] = codec.compact(read_image(files[number], codec, noting(troubles.remarks, number)))
        except Exception as error:  # decoders raise whatever they like; every reason is named and counted
            if passes(error):
                raise
            troubles.unreadable[number] = (str(error) or type(error).__name__).replace(str(files[number]), "it")

    def finished(rows: Shaped[np.ndarray, "N C H W"], work: Iterator[None]) -> DecodedRows:
        for _ in work:
            pass
        return {"x": torch.from_numpy(rows)}

    _log.info("decoding %d images", len(files))
    step, ahead = _CHUNK * workers, None
    with ThreadPoolExecutor(workers) as pool:  # PIL decodes and torch resizes outside the interpreter lock
        for start in range(0, len(files), step):
            numbers = range(start, min(start + step, len(files)))
            rows = _rows(len(numbers), codec)
            before, ahead = ahead, (rows, pool.map(read, numbers, rows))  # threads go on while a part is written
            if before is not None:
                yield finished(*before)
        if ahead is not None:
            yield finished(*ahead)
