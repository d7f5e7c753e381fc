"""Recordings cut into windows: read once and kept small."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Int64
from torch import Tensor

from ssl_pipeline.data.cache.decode_cache import DecodedRows, FileProblems, decoded_once
from ssl_pipeline.data.cache.folder import cache_folder
from ssl_pipeline.data.codecs.full_scale import to_full_scale
from ssl_pipeline.data.codecs.sound import SoundCodec
from ssl_pipeline.data.io.remarks import noting, warn_remarks
from ssl_pipeline.data.io.sound import Sound, cut_windows, resampled
from ssl_pipeline.data.io.unreadable import check_unreadable, refuse_unreadable
from ssl_pipeline.data.memory import MemoryDataset
from ssl_pipeline.data.options import Cache

_log = logging.getLogger(__name__)

WINDOWS_VERSION = 3  # of reading and encoding: raise it when the same file comes out differently
_CHUNK = 2**21  # samples of sound that are encoded at once


class SoundWindows(NamedTuple):
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
    cache: Cache,
    limit: float | int = 0.05,
) -> SoundWindows:
    """All windows of all recordings.

    Args:
        read: a recording by its number.
        names: of the recordings, for messages.
        key: name of the mapped file, the same for the same result.
        codec: makes samples of windows, and tells their length.
        stride: seconds from the start of one window to the next; None: no overlap.
        cache: how they are read and kept.
        limit: largest fraction of unreadable recordings that is left out.

    Raises:
        ValueError: too many unreadable recordings, or a stride of no sample.
        OSError: no room for the mapped file.
    """
    step = codec.samples if stride is None else round(codec.rate * stride)
    if step < 1:
        raise ValueError(f"expected a stride of at least one sample, got {stride} seconds at {codec.rate} Hz")
    decode = partial(_encoded, read, names, codec, step, cache.threads)

    def refuse(problems: FileProblems) -> None:
        refuse_unreadable(names, problems.unreadable, limit, "recording")

    found = decoded_once(decode, cache_folder(cache.folder) / key, cache.in_memory, refuse=refuse)
    check_unreadable(names, dict(sorted(found.problems.unreadable.items())), limit, "recording")
    warn_remarks(names, found.problems.remarks, "recording")
    return SoundWindows(found.dataset(), found.rows["lengths"], found.rows["recording"])


def _encoded(
    read: Callable[[int], Sound],
    names: Sequence[str],
    codec: SoundCodec,
    step: int,
    workers: int,
    problems: FileProblems,
) -> Iterator[DecodedRows]:
    """Windows of all recordings, some at a time."""

    def prepare(number: int) -> tuple[Tensor, Tensor] | None:
        try:
            sound = read(number)
        except Exception as error:  # decoders raise whatever they like; every reason is named and counted
            problems.leave_out(number, names[number], error)
            return None
        note = noting(problems.remarks, number)
        if sound.cut_short:
            note("cut_short", "")
        wave = to_full_scale(sound.wave, codec.full_scale, note)
        return cut_windows(resampled(wave, sound.rate, codec.rate), codec.samples, step)

    count = len(names)
    _log.info("reading %d recordings", count)
    waiting: list[tuple[Tensor, Tensor, Tensor]] = []
    with ThreadPoolExecutor(workers) as pool:  # soundfile decodes outside the interpreter lock
        for start in range(0, count, 8 * workers):
            numbers = range(start, min(start + 8 * workers, count))
            for number, result in zip(numbers, pool.map(prepare, numbers), strict=True):
                if result is not None:
                    waiting.append((*result, torch.full((len(result[0]),), number)))
            if sum(wave.numel() for wave, _, _ in waiting) >= _CHUNK:
                yield from _encode(waiting, codec)
                waiting = []
                _log.info("%d of %d recordings", numbers.stop, count)
    if waiting:
        yield from _encode(waiting, codec)


def _encode(waiting: list[tuple[Tensor, Tensor, Tensor]], codec: SoundCodec) -> Iterator[DecodedRows]:
    wave, lengths, recording = (torch.cat(some) for some in zip(*waiting, strict=True))
    rows = max(1, _CHUNK // codec.samples)
    for part in zip(wave.split(rows), lengths.split(rows), recording.split(rows), strict=True):
        yield {"x": codec.compact(part[0]), "lengths": part[1], "recording": part[2]}
