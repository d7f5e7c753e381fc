"""What is left of a sample where the small coefficients of its overlapping blocks are noise."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import pi, sqrt

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
_MAD = 0.6745
"""Median of the size of a normal number of standard deviation 1."""
_RANKED = 4096
"""Coefficients of a sample that its noise is found from, at most."""


@register("estimate", "dct_shrinkage")
class DctShrinkage(Estimate):
    """Estimates of what lies under noise: sliding DCT shrinkage (Yaroslavsky, Egiazarian & Astola 2001).

    A coefficient below a threshold becomes zero, and a block with fewer coefficients left weighs more in the mean. In
    training blocks begin at every half of a side, after it at every quarter, which is better and takes longer. The
    noise of each sample, and after a DCT over the channels of each of them, is found from the finest coefficients
    (median absolute deviation, Donoho & Johnstone 1994).

    Args:
        grid: of the samples.
        thresholds: in standard deviations of the noise; 3 is usual.
        wiener: whether the estimate of the last threshold says how much of each coefficient is kept in one more
            (empirical Wiener filter, Ghael, Sayeed & Baraniuk 1997).
        fixed: further thresholds, in standard deviations of the data, whatever the noise: compression takes the finest
            coefficients away, so that what it leaves is not found as noise.

    Raises:
        ValueError: ``wiener`` without ``thresholds``.
    """

    block: Tensor
    colours: Tensor
    finest: Tensor

    def __init__(
        self, grid: GridSpec, thresholds: Sequence[float], wiener: bool = False, fixed: Sequence[float] = ()
    ) -> None:
        super().__init__()
        if wiener and not thresholds:
            raise ValueError("wiener=true begins with the estimate of a threshold: set thresholds=[3]")
        self.thresholds, self.wiener, self.fixed, self.ndim = tuple(thresholds), wiener, tuple(fixed), grid.ndim
        self.count = len(self.thresholds) + wiener + len(self.fixed)
        self.side = side = max(2, min(_SIDES[grid.ndim - 1], *(n // 2 * 2 for n in grid.shape)))
        block, places = _dct(side), torch.arange(side**grid.ndim).view(1, 1, *(side,) * grid.ndim)
        for _ in range(grid.ndim - 1):
            block = torch.kron(block, _dct(side))
        finest = places[(0, 0, *(slice(-(side // 4 or 1), None),) * grid.ndim)]
        self.register_buffer("block", block, persistent=False)
        self.register_buffer("colours", _dct(grid.width), persistent=False)
        self.register_buffer("finest", finest.flatten(), persistent=False)
        for parts in {2, self._parts(False)}:
            cells = folded(places, side // parts)
            order = torch.cat([cells[(..., *at)].flatten() for at in self._at(parts)])
            self.register_buffer(f"order_{parts}", order, persistent=False)

    def forward(self, x: Float[Tensor, "B C *grid"]) -> list[Float[Tensor, "B C *grid"]]:
        """One for each threshold, then the filtered one, then one for each fixed threshold."""
        with torch.autocast(x.device.type, enabled=False):
            mixed = torch.einsum("kc,bc...->bk...", self.colours, x.float()).flatten(0, 1)
            parts = self._parts(self.training)
            block = self.block[:, self.get_buffer(f"order_{parts}")]
            seen = self._coefficients(mixed, block, parts)
            noise = self._noise(seen)
            made = [self._joined(seen, _above(seen, by * noise), block, parts, x.shape) for by in self.thresholds]
            if self.wiener:
                power = self._coefficients(made[-1].flatten(0, 1), block, parts).square()
                kept = power / (power + noise.square()).clamp(min=1e-12)
                made.append(self._joined(seen, kept, block, parts, x.shape))
            made += [self._joined(seen, _above(seen, by), block, parts, x.shape) for by in self.fixed]
            return [torch.einsum("kc,bk...->bc...", self.colours, one) for one in made]

    def _parts(self, training: bool) -> int:
        """Parts of a side, at each of which a block begins."""
        return 2 if training or self.side % 8 else 4

    def _coefficients(self, x: Float[Tensor, "N *grid"], block: Tensor, parts: int) -> Float[Tensor, "N K *cells"]:
        """Of all blocks."""
        step = self.side // parts
        around = self.side - step
        pads = [(around, around + -n % step) for n in x.shape[1:]]
        cells = F.pad(x[:, None], [by for pad in reversed(pads) for by in pad], mode="reflect")
        cells = folded(cells, step)
        ends = [n - parts + 1 for n in cells.shape[2:]]
        some = [cells[(..., *(slice(o, o + n) for o, n in zip(at, ends, strict=True)))] for at in self._at(parts)]
        return (block @ torch.cat(some, 1).flatten(2)).unflatten(2, ends)

    def _noise(self, seen: Float[Tensor, "N K *cells"]) -> Tensor:
        """Its standard deviation in each sample, (N, ...)."""
        size = seen[:, self.finest].flatten(1)
        size = size[:, :: max(1, size.shape[1] // _RANKED)].abs().sort(1).values
        noise = size[:, size.shape[1] // 2] / _MAD  # their median, which ONNX has no word for
        return noise.view(-1, *(1,) * (self.ndim + 1))

    def _joined(self, seen: Tensor, kept: Tensor, block: Tensor, parts: int, shape: Sequence[int]) -> Tensor:
        """Back to (B, C, *grid): of each coefficient what is kept, of the mean of a block all."""
        kept[:, :1] = 1.0
        weight = 1 / kept.square().sum(1, keepdim=True)
        step = self.side // parts
        blocks = (block.T @ (seen * kept * weight).flatten(2)).unflatten(2, seen.shape[2:]).split(step**self.ndim, 1)
        total, count = torch.zeros(()), torch.zeros(())
        for at, part in zip(self._at(parts), blocks, strict=True):
            pad = [by for o in reversed(at) for by in (o, parts - 1 - o)]
            total, count = total + F.pad(part, pad), count + F.pad(weight, pad)
        whole, around = unfolded(total / count, step), self.side - step
        return whole[(..., *(slice(around, around + n) for n in shape[2:]))].reshape(shape)

    def _at(self, parts: int) -> list[tuple[int, ...]]:
        """Where the parts of a block lie."""
        return [*product(range(parts), repeat=self.ndim)]


def _above(seen: Tensor, least: Tensor | float) -> Tensor:
    """1 where a coefficient reaches a threshold, else 0."""
    return (seen.abs() >= least).to(seen.dtype)


def _dct(n: int) -> Tensor:
    """Rows of the orthonormal DCT-II."""
    k, i = torch.arange(n).view(-1, 1), torch.arange(n)
    rows = torch.cos(pi / n * (i + 0.5) * k) * sqrt(2 / n)
    rows[0] /= sqrt(2)
    return rows
