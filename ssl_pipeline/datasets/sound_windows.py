"""Recordings cut into windows: read once, kept small, in memory or in a mapped file that the next run finds again."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int64, Shaped
from torch import Tensor

from ssl_pipeline.datasets.cache import MEMORY_LIMIT, cache_folder, check_in_memory, whole_or_nothing
from ssl_pipeline.datasets.folder import check_unreadable
from ssl_pipeline.datasets.memory import MappedDataset, MemoryDataset
from ssl_pipeline.datasets.sound import Sound, resampled, windows
from ssl_pipeline.datasets.sound_codecs import SoundCodec

log = logging.getLogger(__name__)

VERSION = 1  # of reading and encoding: raise it when the same file comes out differently
CHUNK = 2**21  # samples of sound that are encoded at once


class Keep(NamedTuple):
    """How windows are read and kept.

    Args:
        in_memory: keep them in memory, or else in a mapped file; "auto": in memory below 2 GiB.
        cache: folder of that file; ``~/.cache/ssl_pipeline`` by default.
        workers: reading threads; as many as processors by default.
        max_unreadable: largest fraction of unreadable recordings to leave out before stopping.
    """

    in_memory: bool | str = "auto"
    cache: str | None = None
    workers: int | None = None
    max_unreadable: float | int = 0.05

    @property
    def threads(self) -> int:
        return self.workers or os.cpu_count() or 1


class Windows(NamedTuple):
    """Stored windows, in the order of the recordings."""

    stored: MemoryDataset
    lengths: Int64[Tensor, "N"]  # samples of sound in each
    recording: Int64[Tensor, "N"]  # number of the recording


def load_windows(
    read: Callable[[int], Sound],
    names: Sequence[str],
    key: str,
    codec: SoundCodec,
    stride: float | int | None,
    keep: Keep,
) -> Windows:
    """All windows of all recordings.

    Args:
        read: a recording by its number.
        names: of the recordings, for messages.
        key: name of the mapped file, the same for the same result.
        codec: makes samples of windows, and tells their length.
        stride: seconds from the start of one window to the next; None: no overlap.
        keep: how they are read and kept.

    Raises:
        ValueError: too many unreadable recordings, or a stride of no sample.
        OSError: no room for the mapped file.
    """
    check_in_memory(keep.in_memory)
    step = codec.samples if stride is None else round(codec.rate * stride)
    if step < 1:
        raise ValueError(f"expected a stride of at least one sample, got {stride} seconds at {codec.rate} Hz")
    place = cache_folder(keep.cache) / key
    if keep.in_memory is not True and place.is_dir():
        found, troubles = _find(place)
    else:
        troubles = Troubles({}, [])
        found = _read_all(_encoded(read, names, codec, step, keep.threads, troubles), troubles, place, keep)
    check_unreadable(names, dict(sorted(troubles.unreadable.items())), keep.max_unreadable, "recording")
    if short := sorted(troubles.cut_short):
        some = "; ".join(names[i] for i in short[:3])
        warnings.warn(
            f"{len(short)} of {len(names)} recordings end before their headers say: {some}"
            f"{'; …' if len(short) > 3 else ''}; what there is of them is used",
            stacklevel=3,
        )
    assert found is not None
    return found


class Troubles(NamedTuple):
    """Recordings that are not as they should be, by their numbers."""

    unreadable: dict[int, str]  # and why
    cut_short: list[int]


Part = tuple[Shaped[Tensor, "W ..."], Int64[Tensor, "W"], Int64[Tensor, "W"]]
"""Stored windows, their lengths and the numbers of their recordings."""


def _read_all(parts: Iterator[Part], troubles: Troubles, place: Path, keep: Keep) -> Windows | None:
    kept: list[Part] = []
    size = 0
    for part in parts:
        kept.append(part)
        size += part[0].numel() * part[0].element_size()
        if keep.in_memory is False or (keep.in_memory == "auto" and size >= MEMORY_LIMIT):
            _write(chain(kept, parts), troubles, place)
            return _find(place)[0]
    if not kept:
        return None
    x, lengths, recording = (torch.cat(some) for some in zip(*kept, strict=True))
    return Windows(MemoryDataset(x), lengths, recording)


def _encoded(
    read: Callable[[int], Sound],
    names: Sequence[str],
    codec: SoundCodec,
    step: int,
    workers: int,
    troubles: Troubles,
) -> Iterator[Part]:
    """Windows of all recordings, some at a time; fills ``troubles`` on the way."""

    def prepare(number: int) -> tuple[Tensor, Tensor] | None:
        try:
            sound = read(number)
        except MemoryError:
            raise
        except Exception as error:  # decoders raise whatever they like; every reason is told and counted
            reason = getattr(error, "error_string", str(error)) or type(error).__name__  # libsndfile's own words
            troubles.unreadable[number] = reason.replace(names[number], "it")
            return None
        if sound.cut_short:
            troubles.cut_short.append(number)
        return windows(resampled(sound.wave, sound.rate, codec.rate), codec.samples, step)

    count = len(names)
    log.info("reading %d recordings", count)
    waiting: list[tuple[Tensor, Tensor, Tensor]] = []
    with ThreadPoolExecutor(workers) as pool:  # soundfile decodes outside the interpreter lock
        for start in range(0, count, 8 * workers):
            numbers = range(start, min(start + 8 * workers, count))
            for number, result in zip(numbers, pool.map(prepare, numbers), strict=True):
                if result is not None:
                    waiting.append((*result, torch.full((len(result[0]),), number)))
            if sum(wave.numel() for wave, _, _ in waiting) >= CHUNK:
                yield from _encode(waiting, codec)
                waiting = []
                log.info("%d of %d recordings", numbers.stop, count)
    if waiting:
        yield from _encode(waiting, codec)


def _encode(waiting: list[tuple[Tensor, Tensor, Tensor]], codec: SoundCodec) -> Iterator[Part]:
    wave, lengths, recording = (torch.cat(some) for some in zip(*waiting, strict=True))
    rows = max(1, CHUNK // codec.samples)
    for part in zip(wave.split(rows), lengths.split(rows), recording.split(rows), strict=True):
        yield codec.compact(part[0]), part[1], part[2]


def _write(parts: Iterable[Part], troubles: Troubles, place: Path) -> None:
    with whole_or_nothing(place) as temporary:
        try:
            lengths, recording = _append(parts, temporary / "windows.npy")
        except OSError as error:
            raise OSError(
                f"the windows of the recordings cannot be written to {str(place.parent)!r} ({error}): "
                f"set cache to a folder with more room"
            ) from error
        np.save(temporary / "lengths.npy", lengths.numpy())
        np.save(temporary / "recording.npy", recording.numpy())
        (temporary / "troubles.json").write_text(json.dumps(troubles._asdict()))


def _append(parts: Iterable[Part], file: Path) -> tuple[Int64[Tensor, "N"], Int64[Tensor, "N"]]:
    # The number of windows is known in the end only; numpy leaves room in the header for the first size to grow.
    lengths, recording = [], []
    with file.open("wb") as opened:
        for x, *rest in parts:
            rows = x.numpy()
            if not lengths:
                header = {"descr": np.lib.format.dtype_to_descr(rows.dtype), "fortran_order": False}
                np.lib.format.write_array_header_1_0(opened, {**header, "shape": (0, *rows.shape[1:])})
                begin = opened.tell()
            opened.write(rows.tobytes())
            lengths.append(rest[0])
            recording.append(rest[1])
        opened.seek(0)
        shape = (sum(map(len, lengths)), *rows.shape[1:])
        np.lib.format.write_array_header_1_0(opened, {**header, "shape": shape})
        assert opened.tell() == begin
    return torch.cat(lengths), torch.cat(recording)


def _find(place: Path) -> tuple[Windows, Troubles]:
    lengths, recording = (torch.from_numpy(np.load(place / f"{name}.npy")) for name in ("lengths", "recording"))
    said = json.loads((place / "troubles.json").read_text())
    troubles = Troubles({int(number): reason for number, reason in said["unreadable"].items()}, said["cut_short"])
    return Windows(MappedDataset(place / "windows.npy"), lengths, recording), troubles
