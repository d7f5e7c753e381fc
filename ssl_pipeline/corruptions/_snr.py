"""Power of samples, coloured noise, and sounds added at a signal-to-noise ratio."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ssl_pipeline.structures.grid import GridSpec


def visible_mean(x: Float[Tensor, "B C *grid"], visible: Bool[Tensor, "B *grid"]) -> Float[Tensor, "B C *ones"]:
    """Mean of the visible places, per sample and channel."""
    weight = visible.unsqueeze(1).to(x.dtype)
    dims = tuple(range(2, x.ndim))
    return (x * weight).sum(dims, keepdim=True) / weight.sum(dims, keepdim=True).clamp(min=1)


def valid_mean(x: Float[Tensor, "B C *grid"], valid: Bool[Tensor, "B *grid"] | None) -> Float[Tensor, "B C *ones"]:
    """Mean over the grid without its padding, per sample and channel."""
    return x.mean(tuple(range(2, x.ndim)), keepdim=True) if valid is None else visible_mean(x, valid)


def mean_power(
    x: Float[Tensor, "B C *grid"], grid: GridSpec, valid: Bool[Tensor, "B *grid"] | None = None
) -> Float[Tensor, "B"]:
    """Mean power of the valid cells: the square of a signal, the exponential of logarithms, elsewhere the variance.

    A grey level is no signal, so that the values of an image count from the mean of their channel.

    >>> wave = GridSpec.of(("time", 4), channels=1, range=(-1.0, 1.0), signal=True)
    >>> mean_power(torch.tensor([[[0.0, 1.0, 0.0, -1.0]]]), wave)
    tensor([0.5000])
    """
    x = x.float()
    swing = x if grid.signal or grid.log else x - valid_mean(x, valid)
    return valid_mean(swing.exp() if grid.log else swing.square(), valid).flatten(1).mean(1)


def added_at_snr(
    x: Float[Tensor, "B C *grid"],
    other: Float[Tensor, "B C *grid"],
    snr_db: Float[Tensor, "B"],
    grid: GridSpec,
    valid: Bool[Tensor, "B *grid"] | None = None,
    other_valid: Bool[Tensor, "B *grid"] | None = None,
) -> Float[Tensor, "B C *grid"]:
    """``other`` added to ``x`` so loudly that the power of ``x`` is ``snr_db`` above it; padding of it adds nothing.

    Logarithms add as power: the log-mixup-exp of BYOL-A, https://arxiv.org/abs/2103.06695. Silence stays silent.

    >>> wave = GridSpec.of(("time", 2), channels=1, range=(-1.0, 1.0), signal=True)
    >>> x, other = torch.tensor([[[0.5, -0.5]]]), torch.tensor([[[9.0, 9.0]]])
    >>> added_at_snr(x, other, torch.tensor([20.0]), wave)
    tensor([[[ 0.5500, -0.4500]]])
    """
    loud = mean_power(other, grid, other_valid)
    share = mean_power(x, grid, valid) * 10 ** (-snr_db / 10) / torch.where(loud > 0, loud, math.inf)
    share = share.view(-1, *[1] * (x.ndim - 1))
    more = other.float()
    if not (grid.log or grid.signal):
        more = more - valid_mean(more, other_valid)
    more = more + share.log() if grid.log else more * share.sqrt()
    if other_valid is not None:
        more = more.masked_fill(~other_valid.unsqueeze(1), -math.inf if grid.log else 0.0)
    return (torch.logaddexp(x.float(), more) if grid.log else x.float() + more).to(x.dtype)


def coloured(white: Float[Tensor, "B C *grid"], colour: Float[Tensor, "B"]) -> Float[Tensor, "B C *grid"]:
    """White noise given the power spectrum 1/f^colour along the last axis and mean square 1."""
    cells = white.shape[-1]
    frequency = torch.arange(cells // 2 + 1, device=white.device).clamp(min=1)  # the mean is as strong as one swing
    gain = frequency ** (-colour.view(-1, *[1] * (white.ndim - 1)) / 2)
    noise = torch.fft.irfft(torch.fft.rfft(white.float()) * gain, n=cells)
    return noise / noise.square().mean(tuple(range(1, noise.ndim)), keepdim=True).sqrt()


def log_noise(
    x: Float[Tensor, "B C *grid"], colour: Float[Tensor, "B"], generator: torch.Generator
) -> Float[Tensor, "B C *grid"]:
    """Logarithmic power of noise: exponential draws of mean 1, falling as 1/band^colour along the first axis."""
    draws = torch.empty(x.shape, device=x.device).exponential_(generator=generator)
    band = torch.arange(x.shape[2], device=x.device) + 0.5
    band = band.log().view(-1, *[1] * (x.ndim - 3))
    return draws.log() - colour.view(-1, *[1] * (x.ndim - 1)) * band
