"""Image files decoded once: into memory, or into a file that is mapped and found again by the next run."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from ssl_pipeline.datasets.cache import MEMORY_LIMIT, cache_folder, check_in_memory, fingerprint, whole_or_nothing
from ssl_pipeline.datasets.image import read_image
from ssl_pipeline.datasets.memory import MappedDataset, MemoryDataset

log = logging.getLogger(__name__)

VERSION = 1  # of the decoding: raise it when the same file comes out differently

Unreadable = dict[int, str]
"""Number of a file and why it cannot be read; its row stays black."""


def decoded_images(
    files: Sequence[Path],
    size: int,
    channels: int,
    labels: Int64[Tensor, "N"] | None = None,
    in_memory: bool | str = "auto",
    cache: str | Path | None = None,
    workers: int = 1,
) -> tuple[MemoryDataset, Unreadable]:
    """The files as squares of pixels, and those that cannot be read.

    Args:
        files: the images.
        size: height and width in pixels.
        channels: 1 (grey) or 3 (red, green, blue).
        labels: class of each file.
        in_memory: keep the pixels in memory, or else in a mapped file; "auto": in memory below 2 GiB.
        cache: folder of that file; ``~/.cache/ssl_pipeline`` by default.
        workers: decoding threads.

    Raises:
        ValueError: ``in_memory`` is something else.
        OSError: no room for the file.
    """
    check_in_memory(in_memory)
    shape = (len(files), channels, size, size)
    paths = tuple(str(file) for file in files)
    if in_memory is True or (in_memory == "auto" and np.prod(shape, dtype=np.int64) < MEMORY_LIMIT):
        pixels = np.zeros(shape, dtype=np.uint8)
        unreadable = _decode(files, pixels, workers)
        return MemoryDataset(torch.from_numpy(pixels), labels, paths=paths), unreadable
    place = cache_folder(cache) / fingerprint(files, f"{VERSION} {shape}")
    if not place.is_dir():
        _decode_to_disk(files, shape, place, workers)
    unreadable = {int(i): reason for i, reason in json.loads((place / "unreadable.json").read_text()).items()}
    return MappedDataset(place / "images.npy", labels, paths=paths), unreadable


def _decode(files: Sequence[Path], out: UInt8[np.ndarray, "N C H W"], workers: int) -> Unreadable:
    unreadable: Unreadable = {}
    _, channels, size, _ = out.shape

    def read(number: int) -> None:
        try:
            out[number] = read_image(files[number], size, channels)
        except MemoryError:
            raise
        except Exception as error:  # decoders raise whatever they like; every reason is told and counted
            unreadable[number] = (str(error) or type(error).__name__).replace(str(files[number]), "it")

    log.info("decoding %d images", len(files))
    with ThreadPoolExecutor(workers) as pool:  # PIL decodes and resizes outside the interpreter lock
        for start in range(0, len(files), 10_000):
            for _ in pool.map(read, range(start, min(start + 10_000, len(files)))):
                pass
            if start:
                log.info("%d of %d images", start, len(files))
    return dict(sorted(unreadable.items()))


def _decode_to_disk(files: Sequence[Path], shape: tuple[int, ...], place: Path, workers: int) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    needed, free = int(np.prod(shape, dtype=np.int64)), shutil.disk_usage(place.parent).free
    if needed >= free:  # found out while writing a mapped file, it would kill the process
        raise OSError(
            f"the decoded images take {needed / 1e9:.1f} GB, but {str(place.parent)!r} has {free / 1e9:.1f} GB left: "
            f"set cache to a folder with more room or size to fewer pixels"
        )
    with whole_or_nothing(place) as temporary:
        pixels = np.lib.format.open_memmap(temporary / "images.npy", mode="w+", dtype=np.uint8, shape=shape)
        unreadable = _decode(files, pixels, workers)
        pixels.flush()
        (temporary / "unreadable.json").write_text(json.dumps(unreadable))
