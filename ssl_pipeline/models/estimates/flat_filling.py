"""What surrounds the flat places of a sample, drawn smoothly over them."""

from __future__ import annotations

from math import log2

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ssl_pipeline.config.registry import register
from ssl_pipeline.models.estimates.base import Estimate
from ssl_pipeline.structures.grid import GridSpec

_SIDES = (16, 5, 3)
"""Cells along each of one, two or three axes that a flat place has at least."""
_ROUNDS = 4


@register("estimate", "flat_filling")
class FlatFilling(Estimate):
    """Flat places, where all channels stay exactly the same, are filled from around them.

    No one says where something is missing, and what lies over a sample, or was lost and became silence, is flat. The
    filling is nearly harmonic: means of halved grids (pull-push, Gortler et al., The lumigraph, 1996), smoothed on the
    way back.

    Args:
        grid: of the samples.
    """

    def __init__(self, grid: GridSpec) -> None:
        super().__init__()
        at = grid.ndim - 1
        self.side, self.levels = min(_SIDES[at], *grid.shape), int(log2(min(grid.shape)))
        self.mean = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[at]
        self.max = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[at]
        self.mode = ("linear", "bilinear", "trilinear")[at]

    def forward(self, x: Float[Tensor, "B C *grid"]) -> list[Float[Tensor, "B C *grid"]]:
        """See ``Estimate``."""
        x = x.float()
        flat = self._flat(x)
        known = 1 - flat * (flat.flatten(1).amin(1) == 0).view(-1, *(1,) * (x.ndim - 1))  # all flat: all known
        levels = [(x * known, known)]
        for _ in range(self.levels):
            value, weight = (self.mean(one, 2, ceil_mode=True) for one in levels[-1])
            levels.append((value / weight.clamp(min=1e-6) * (weight > 0), (weight > 0).to(x.dtype)))
        made = levels[-1][0]
        for value, weight in reversed(levels[:-1]):
            missing, around = 1 - weight, [int(n > 2) for n in value.shape[2:]]
            sides = [1 + 2 * by for by in around]
            made = torch.addcmul(value, missing, F.interpolate(made, size=value.shape[2:], mode=self.mode))
            for _ in range(_ROUNDS):
                made = torch.addcmul(value, missing, self.mean(made, sides, 1, around, count_include_pad=False))
        return [made]

    def _flat(self, x: Tensor) -> Tensor:
        """(B, 1, *grid), 1 where a cell lies in a flat place, else 0."""
        here = x[(..., *(slice(None, -1),) * (x.ndim - 2))]
        differs = torch.zeros_like(here[:, :1], dtype=torch.bool)
        for axis in range(2, x.ndim):
            after = [slice(None, -1) if other != axis else slice(1, None) for other in range(2, x.ndim)]
            differs |= (x[(..., *after)] != here).any(1, keepdim=True)
        differs = differs.to(x.dtype)
        flat = (self.max(differs, self.side - 1, 1) == 0).to(x.dtype)
        return self.max(F.pad(flat, (self.side - 1,) * 2 * (x.ndim - 2)), self.side, 1)
