"""What is left of a sample where the small coefficients of its overlapping blocks are noise."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi, prod, sqrt

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ssl_pipeline.config.registry import register
from ssl_pipeline.models.estimates.base import Estimate
from ssl_pipeline.models.layers.unet import folded, unfolded
from ssl_pipeline.structures.grid import GridSpec

_SIDES = (64, 8, 4)
"""Cells of a block along each of one, two or three axes."""
_TILINGS = (4, 8)
"""In training, and after it."""
_MAD = 0.6745
"""Median of the size of a normal number of standard deviation 1."""
_BLOCK = 8
"""Cells of a block of JPEG along each axis."""
_RANKED = 4096
"""Coefficients of a sample that its noise is found from, at most."""


@register("estimate", "dct_shrinkage")
class DctShrinkage(Estimate):
    """Estimates of what lies under noise: sliding DCT shrinkage (Yaroslavsky, Egiazarian & Astola 2001).

    A coefficient below a threshold becomes zero, and a block with fewer coefficients left weighs more in the mean over
    several tilings of the sample into blocks: in training four, after it eight, which is better and takes longer. The
    noise of each sample, and after a DCT over the channels of each of them, is found from the finest coefficients
    (median absolute deviation, Donoho & Johnstone 1994).

    Args:
        grid: of the samples.
        thresholds: in standard deviations of the noise; 3 is usual.
        wiener: whether the estimate of the last threshold says how much of each coefficient is kept in one more
            (empirical Wiener filter, Ghael, Sayeed & Baraniuk 1997).
        blocks: further thresholds, of samples that were compressed in blocks of 8 cells, as JPEG does: what that
            leaves is not found as noise, since it takes the finest coefficients away. In units of how much more cells
            differ across the borders of blocks than within, wherever they lie; 6 is usual.

    Raises:
        ValueError: ``wiener`` without ``thresholds``.
    """

    block: Tensor
    colours: Tensor
    finest: Tensor

    def __init__(
        self, grid: GridSpec, thresholds: Sequence[float], wiener: bool = False, blocks: Sequence[float] = ()
    ) -> None:
        super().__init__()
        if wiener and not thresholds:
            raise ValueError("wiener=true begins with the estimate of a threshold: set thresholds=[3]")
        self.thresholds, self.wiener, self.blocks, self.ndim = tuple(thresholds), wiener, tuple(blocks), grid.ndim
        self.count = len(self.thresholds) + wiener + len(self.blocks)
        self.side = side = max(2, min(_SIDES[grid.ndim - 1], *(n // 2 * 2 for n in grid.shape)))
        block = _dct(side)
        for _ in range(grid.ndim - 1):
            block = torch.kron(block, _dct(side))
        places = torch.arange(side**grid.ndim).view((side,) * grid.ndim)
        self.register_buffer("block", block, persistent=False)
        self.register_buffer("colours", _dct(grid.width), persistent=False)
        self.register_buffer(
            "finest", places[(slice(-(side // 4 or 1), None),) * grid.ndim].flatten(), persistent=False
        )

    def forward(self, x: Float[Tensor, "B C *grid"]) -> list[Float[Tensor, "B C *grid"]]:
        """One for each threshold, then the filtered one, then one for each threshold of blocks."""
        with torch.autocast(x.device.type, enabled=False):
            mixed = torch.einsum("kc,bc...->bk...", self.colours, x.float())
            steps = _steps(mixed[:, 0]).repeat_interleave(x.shape[1]).view(-1, 1, 1)
            seen = self._coefficients(mixed.flatten(0, 1))
            noise = self._noise(seen)
            made = [self._joined(seen, _above(seen, by * noise), x.shape) for by in self.thresholds]
            if self.wiener:
                power = self._coefficients(made[-1].flatten(0, 1)).square()
                made.append(self._joined(seen, power / (power + noise.square()).clamp(min=1e-12), x.shape))
            made += [self._joined(seen, _above(seen, by * steps), x.shape) for by in self.blocks]
            return [torch.einsum("kc,bk...->bc...", self.colours, one) for one in made]

    def _tilings(self) -> list[list[int]]:
        """Where blocks begin along each axis: on a lattice, so that few tilings have many borders."""
        count = min(self.side, _TILINGS[0] if self.training else _TILINGS[1])
        firsts = [i * self.side // count for i in range(count)]
        return [[first * by % self.side for by in (1, 3, 5)[: self.ndim]] for first in firsts]

    def _coefficients(self, x: Float[Tensor, "N *grid"]) -> Float[Tensor, "N K M"]:
        """Of the M blocks of all tilings."""
        some = []
        for starts in self._tilings():
            pads = [(start, -(n + start) % self.side) for n, start in zip(x.shape[1:], starts, strict=True)]
            cells = F.pad(x[:, None], [by for pad in reversed(pads) for by in pad], mode="reflect")
            some.append(folded(cells, self.side).flatten(2))
        return self.block @ torch.cat(some, 2)

    def _noise(self, seen: Float[Tensor, "N K M"]) -> Float[Tensor, "N 1 1"]:
        """Its standard deviation in each sample."""
        size = seen[:, self.finest].flatten(1)
        size = size[:, :: max(1, size.shape[1] // _RANKED)].abs().sort(1).values
        noise = size[:, size.shape[1] // 2] / _MAD  # their median, which ONNX has no word for
        return noise.view(-1, 1, 1)

    def _joined(
        self, seen: Float[Tensor, "N K M"], kept: Float[Tensor, "N K M"], shape: Sequence[int]
    ) -> Float[Tensor, "B C *grid"]:
        """Of each coefficient what is kept, of the mean of a block all, as the weighted mean of the tilings."""
        kept[:, :1] = 1.0
        weight = 1 / kept.square().sum(1, keepdim=True)
        blocks = self.block.T @ (seen * kept * weight)
        total, count, begin = torch.zeros(()), torch.zeros(()), 0
        for starts in self._tilings():
            cells = [-(-(n + start) // self.side) for n, start in zip(shape[2:], starts, strict=True)]
            inside = (..., *(slice(start, start + n) for n, start in zip(shape[2:], starts, strict=True)))
            some = slice(begin, begin := begin + prod(cells))
            by = weight[..., some].unflatten(2, cells)
            for axis in range(2, by.ndim):
                by = by.repeat_interleave(self.side, axis)
            total = total + unfolded(blocks[..., some].unflatten(2, cells), self.side)[inside]
            count = count + by[inside]
        return (total / count).reshape(shape)


def _steps(x: Float[Tensor, "B *grid"]) -> Float[Tensor, "B"]:
    """How much more cells differ across borders that lie 8 cells apart than elsewhere, along the axis of the least."""
    if min(x.shape[1:]) <= 2 * _BLOCK:
        return torch.zeros_like(x.flatten(1)[:, 0])
    found = []
    for axis, n in enumerate(x.shape[1:], 1):
        differs = x.diff(dim=axis).abs().movedim(axis, 1).unsqueeze(-1).flatten(2).mean(2)
        at = differs[:, : (n - 1) // _BLOCK * _BLOCK].unflatten(1, (-1, _BLOCK)).mean(1)
        most = at.amax(1)
        found.append(most - (at.sum(1) - most) / (_BLOCK - 1))
    return torch.stack(found).amin(0)


def _above(seen: Tensor, least: Tensor) -> Tensor:
    """1 where a coefficient reaches a threshold, else 0."""
    return (seen.abs() >= least).to(seen.dtype)


def _dct(n: int) -> Tensor:
    """Rows of the orthonormal DCT-II."""
    k, i = torch.arange(n).view(-1, 1), torch.arange(n)
    rows = torch.cos(pi / n * (i + 0.5) * k) * sqrt(2 / n)
    rows[0] /= sqrt(2)
    return rows
