"""Full scale of a set of recordings: given, or found in some of those that hold floats."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np

from ssl_pipeline.data.io.regular_file import check_regular
from ssl_pipeline.data.io.value_range import RangeOption, ValueRange, checked_range, looked_at, tried

FLOATS = ("FLOAT", "DOUBLE")
"""Kinds of files whose values may have any size; all others end at full scale, -1 and 1."""

_QUIET = 1 / 32
"""A peak below which a set of floats would keep less than 11 of 16 bits."""

_PIECES, _PIECE = 8, 2**16  # of a recording that are looked at, and their length in samples


def sound_range_of(
    option: RangeOption, count: int, file_of: Callable[[int], str | Path | BytesIO], workers: int = 1
) -> ValueRange | None:
    """Least and largest value of a set of recordings; None where they are -1 and 1.

    Floats that go beyond these, or stay below 1/32, are taken to have their peak as full scale.

    Args:
        option: the range, None for -1 and 1, or "auto" to look for it in up to 128 recordings, in eight pieces of each.
        count: of the recordings.
        file_of: path or bytes of one by its number.
        workers: reading threads.

    Raises:
        ValueError: another option, or a range whose middle is not 0.
    """
    given = checked_range(option)
    if given is not None:
        return checked_sound_range(given)
    if option is None:
        return None
    with ThreadPoolExecutor(workers) as pool:
        peaks = pool.map(lambda number: tried(lambda n: _peak(file_of(n)), number), looked_at(count))
        peak = max((one for one in peaks if one is not None), default=0.0)
    return (-peak, peak) if peak > 1 or 0 < peak < _QUIET else None


def checked_sound_range(bounds: ValueRange) -> ValueRange:
    """A range whose middle is silence.

    Raises:
        ValueError: it is not.
    """
    if bounds[0] != -bounds[1]:
        raise ValueError(f"expected data.range=[-a,a] of sound, whose silence is 0, got [{bounds[0]},{bounds[1]}]")
    return bounds


def _peak(file: str | Path | BytesIO) -> float:
    """Largest distance from silence in a file of floats; 1 of other files, whose full scale it is.

    Raises:
        ValueError: it is not finite, or a pipe or a device.
    """
    import soundfile

    if not isinstance(file, BytesIO):
        check_regular(file)
    with soundfile.SoundFile(file) as opened:
        if opened.subtype not in FLOATS:
            return 1.0
        rest, peak = max(0, opened.frames - _PIECE), 0.0
        for start in sorted({rest * i // (_PIECES - 1) for i in range(_PIECES)}):
            opened.seek(start)
            piece = opened.read(_PIECE, always_2d=True).mean(axis=1)
            peak = max(peak, float(np.abs(piece).max(initial=0)))
            if not np.isfinite(piece).all():
                raise ValueError("it holds samples that are not finite")
        return peak
