"""Recordings cut into windows: read once and kept small."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Int64
from torch import Tensor

from ssl_pipeline.data.cache.decode_cache import Part, Troubles, decoded_once, passes
from ssl_pipeline.data.cache.folder import cache_folder
from ssl_pipeline.data.codecs.sound import SoundCodec
from ssl_pipeline.data.folders.image_folder import check_unreadable, refuse_unreadable, warn_cut_short
from ssl_pipeline.data.io.sound import Sound, resampled, windows
from ssl_pipeline.data.memory import MemoryDataset

log = logging.getLogger(__name__)

VERSION = 2  # of reading and encoding: raise it when the same file comes out differently
CHUNK = 2**21  # samples of sound that are encoded at once


class Keep(NamedTuple):
    """How windows are read and kept.

    Args:
        in_memory: true: in memory; false: in a mapped file; "auto": in such a file if reading takes over 2 s.
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
    step = codec.samples if stride is None else round(codec.rate * stride)
    if step < 1:
        raise ValueError(f"expected a stride of at least one sample, got {stride} seconds at {codec.rate} Hz")
    decode = partial(_encoded, read, names, codec, step, keep.threads)

    def refuse(troubles: Troubles) -> None:
        refuse_unreadable(names, troubles.unreadable, keep.max_unreadable, "recording")

    found = decoded_once(decode, cache_folder(keep.cache) / key, keep.in_memory, refuse=refuse)
    check_unreadable(names, dict(sorted(found.troubles.unreadable.items())), keep.max_unreadable, "recording")
    warn_cut_short(names, found.troubles.cut_short, "recording")
    return Windows(found.dataset(), found.rows["lengths"], found.rows["recording"])


def _encoded(
    read: Callable[[int], Sound],
    names: Sequence[str],
    codec: SoundCodec,
    step: int,
    workers: int,
    troubles: Troubles,
) -> Iterator[Part]:
    """Windows of all recordings, some at a time."""

    def prepare(number: int) -> tuple[Tensor, Tensor] | None:
        try:
            sound = read(number)
        except Exception as error:  # decoders raise whatever they like; every reason is told and counted
            if passes(error):
                raise
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
        yield {"x": codec.compact(part[0]), "lengths": part[1], "recording": part[2]}
