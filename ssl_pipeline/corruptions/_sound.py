"""Sounds: which grids hold them, power behind logarithms, bands of frequencies and filters."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ssl_pipeline.structures.grid import GridSpec

_MEL = 700.0  # hertz; the mel scale is log(1 + f / 700) times a constant


def is_wave(grid: GridSpec) -> bool:
    """Whether samples are waveforms: signals along time."""
    return grid.signal and not grid.log and grid.names == ("time",)


def is_log_mel(grid: GridSpec) -> bool:
    """Whether samples are logarithms of power in mel bands along time."""
    return grid.log and grid.names == ("mel", "time")


def check_sound(name: str, grid: GridSpec, log_mel: bool = False) -> None:
    """Refuse what is no sound.

    Args:
        name: of the corruption.
        grid: of the samples.
        log_mel: whether it takes log-mel grids, too.

    Raises:
        ValueError: another grid.
    """
    if is_wave(grid) or (log_mel and is_log_mel(grid)):
        return
    kind = "symbols" if grid.discrete else "logarithms" if grid.log else "signals" if grid.signal else "values"
    more = " and log-mel grids (mel, time)" if log_mel else ""
    raise ValueError(
        f"{name} takes waveforms (signals along the axis time){more}, got {kind} along {', '.join(grid.names)}: "
        f"use data of sound{'' if log_mel else ' with features=waveform'}"
    )


def frames_a_second(grid: GridSpec) -> float:
    """Cells along time in a second: the rate of a waveform, frames of a spectrogram."""
    return 1 / grid.axes[grid.names.index("time")].spacing


def per_sample(value: Float[Tensor, "B"], x: Tensor) -> Float[Tensor, "B *ones"]:
    """One number a sample, to broadcast over ``x``."""
    return value.to(x.dtype).view(-1, *[1] * (x.ndim - 1))


def without_padding(x: Float[Tensor, "B C *grid"], valid: Bool[Tensor, "B *grid"] | None) -> Float[Tensor, "B C *grid"]:
    """Zeros in padding."""
    return x if valid is None else x.masked_fill(~valid.unsqueeze(1), 0.0)


def power_of(x: Float[Tensor, "B C *grid"], grid: GridSpec) -> Float[Tensor, "B C *grid"]:
    """Power behind logarithms; the least value of the grid is none."""
    return (x.float().exp() - math.exp(grid.range[0])).clamp(min=0)


def log_of(power: Float[Tensor, "B C *grid"], grid: GridSpec) -> Float[Tensor, "B C *grid"]:
    """Inverse of ``power_of``.

    >>> grid = GridSpec.of(("mel", 1), ("time", 2), channels=1, range=(-8.0, 6.0), log=True)
    >>> log_of(power_of(torch.tensor([[[[-9.0, 2.0]]]]), grid), grid)
    tensor([[[[-8.,  2.]]]])
    """
    return (power + math.exp(grid.range[0])).log()


def band_frequencies(count: int, nyquist_hz: float, device: torch.device | str = "cpu") -> Float[Tensor, " k"]:
    """Centres of mel bands as shares of the Nyquist frequency, the lowest first.

    >>> band_frequencies(4, 4000.0).round(decimals=2)
    tensor([0.0800, 0.2000, 0.3700, 0.6300])
    """
    band = torch.arange(1, count + 1, device=device)
    return (band / (count + 1) * math.log1p(nyquist_hz / _MEL)).expm1() * (_MEL / nyquist_hz)


def band_of(frequency: Float[Tensor, "B _"], count: int, nyquist_hz: float) -> Float[Tensor, "B _"]:
    """Index of the band, a real number, that such a frequency is the centre of."""
    return (frequency * (nyquist_hz / _MEL)).log1p() / math.log1p(nyquist_hz / _MEL) * (count + 1) - 1


def band_gain(
    frequency: Float[Tensor, " k"], low: Float[Tensor, "B"], high: Float[Tensor, "B"]
) -> Float[Tensor, "B k"]:
    """Gain 1 between 1.1 ``low`` and 0.9 ``high``, 0 outside ``low`` to ``high``, half a cosine in between.

    All are shares of the Nyquist frequency; from ``low`` 0 and up to ``high`` 1 nothing is taken away.

    >>> band_gain(torch.tensor([0.0, 0.3, 0.5, 0.7, 1.0]), torch.tensor([0.3]), torch.tensor([0.7]))
    tensor([[0., 0., 1., 0., 0.]])
    """
    low, high = low.unsqueeze(1), high.unsqueeze(1)
    above = ((frequency / low.clamp(min=1e-6) - 1) / 0.1).clamp(0, 1).masked_fill(low <= 0, 1.0)
    below = ((1 - frequency / high.clamp(min=1e-6)) / 0.1).clamp(0, 1).masked_fill(high >= 1, 1.0)
    return (1 - (math.pi * above).cos()) / 2 * (1 - (math.pi * below).cos()) / 2


def fast_length(least: int) -> int:
    """The next even length that is a power of two times 1, 3, 5, 9 or 15: others make a Fourier transform slow.

    >>> fast_length(9024), fast_length(15999)
    (9216, 16384)
    """
    return min(m << max(1, (-(-least // m) - 1).bit_length()) for m in (1, 3, 5, 9, 15))


def filtered(
    wave: Float[Tensor, "B C n"], low: Float[Tensor, "B"], high: Float[Tensor, "B"], finer: int = 1
) -> tuple[Float[Tensor, "B C m"], int]:
    """What a waveform has between two frequencies, without delay; before and after it, its first and last value go on.

    Args:
        wave: as it is.
        low: shares of the Nyquist frequency, see ``band_gain``.
        high: likewise.
        finer: cells of the result for each of the waveform.

    Returns:
        The waveform with some cells before and after it, and at which cell it begins.
    """
    cells = wave.shape[-1]
    more = min(512, cells)
    size = fast_length(cells + 2 * more)
    inside = torch.arange(-more, size - more, device=wave.device).clamp(0, cells - 1)
    padded = wave.float().index_select(-1, inside)
    gain = band_gain(2 * torch.fft.rfftfreq(size, device=wave.device), low, high)
    if finer > 1:
        gain[:, -1] /= 2  # the highest frequency stands once in the short transform and twice in the long one
    out = torch.fft.irfft(torch.fft.rfft(padded) * gain.unsqueeze(1) * finer, n=finer * size)
    return out, finer * more
