"""Recordings in the units of files, brought between -1 and 1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ssl_pipeline.data.io.remarks import Note, Remarks, noting, silent, warn_remarks
from ssl_pipeline.data.io.sound import open_sound, resampled


def stack(
    raw: Sequence[Any], rate: int, samples: int, full: float | int
) -> tuple[Float[Tensor, "B n"], Int64[Tensor, "B"]]:
    """Recordings as equally long rows between -1 and 1, and how much of each row they fill.

    Args:
        raw: one-dimensional floats at ``rate``, or paths of files at any rate, in the units of files.
        rate: samples per second.
        samples: length of a row.
        full: value in files that becomes 1.

    Raises:
        ValueError: a recording that is neither, cannot be read, is not finite or of another range.
        FileNotFoundError: there is no such file.
    """
    wave = torch.zeros(len(raw), samples)
    lengths, remarks = torch.zeros(len(raw), dtype=torch.int64), Remarks()
    for number, one in enumerate(raw):
        wanted = f"expected recordings as paths or as one dimension of floats between {-full:g} and {full:g}"
        note = noting(remarks, number)
        if isinstance(one, (str, Path)):
            sound = open_sound(one)
            one = resampled(to_full_scale(sound.wave, full, note), sound.rate, rate) * full
        if not isinstance(one, Tensor) and (array := np.asarray(one)).dtype.kind == "f":
            one = torch.from_numpy(array.astype(np.float32))
        if not isinstance(one, Tensor) or one.ndim != 1 or not one.is_floating_point():
            found = f"{tuple(one.shape)} {one.dtype}" if isinstance(one, (Tensor, np.ndarray)) else type(one).__name__
            raise ValueError(f"{wanted}, got {found} as number {number}: read or convert it")
        if not one.isfinite().all():
            raise ValueError(f"{wanted}, got NaN or infinity in number {number}: repair it")
        if len(one) and one.abs().mean() > full:  # a loud one may be cut off, but not most of it
            raise ValueError(f"{wanted}, got {one.min():g} to {one.max():g} in number {number}: divide by full scale")
        lengths[number] = min(len(one), samples)
        wave[number, : len(one)] = to_full_scale(one[:samples], full, note)
    names = [str(one) if isinstance(one, (str, Path)) else f"number {i}" for i, one in enumerate(raw)]
    warn_remarks(names, remarks, "recording")
    return wave, lengths


def to_full_scale(wave: Float[Tensor, "n"], full: float | int, note: Note = silent) -> Float[Tensor, "n"]:
    """Sound in the units of files, between -1 and 1; what lies beyond is cut off, and noted.

    >>> to_full_scale(torch.tensor([-5.0, 20.0]), 20).tolist()
    [-0.25, 1.0]
    """
    wave = wave / full
    if len(wave) and (most := float(wave.abs().max())) > 1:
        note("outside", f"up to {most * full:g}, full scale being {full:g}")
    return wave.clamp(-1, 1)
