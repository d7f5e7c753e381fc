"""A smooth curve through samples that were made larger by repeating their cells."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.models.estimates.base import Estimate
from ssl_pipeline.structures.grid import GridSpec


@register("estimate", "run_interpolation")
class RunInterpolation(Estimate):
    """Bicubic in place of nearest-neighbour upsampling (Keys 1981), by whatever factor.

    Where, along an axis, cells repeat throughout a sample in runs of one length, or of two that differ by one, a cubic
    curve goes through the middles of the runs; other samples stay as they are. No one says the factor.

    Args:
        grid: of the samples.
    """

    def __init__(self, grid: GridSpec) -> None:
        super().__init__()
        self.ndim = grid.ndim

    def forward(self, x: Float[Tensor, "B C *grid"]) -> list[Float[Tensor, "B C *grid"]]:
        """See ``Estimate``."""
        made = x = x.float()
        for axis in range(2, x.ndim):
            cells, weights = _taps(x.movedim(axis, -1))
            along, to = made.movedim(axis, -1), (slice(None), *(None,) * (x.ndim - 2))
            taps = (along.gather(-1, at[to].expand_as(along)) for at in cells)
            made = torch.stack([by[to] * tap for by, tap in zip(weights, taps, strict=True)]).sum(0).movedim(-1, axis)
        return [made]


def _taps(x: Float[Tensor, "B C *grid"]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Along the last axis, for each cell (B, n), the four cells that it is made of, and their weights."""
    run, first, middle, even = _runs(x)
    cells, last = torch.arange(x.shape[-1], device=x.device), run[:, -1:]
    before = run - (cells < middle.gather(1, run)).long()
    runs = [(before + by).clamp_(min=0).minimum(last) for by in (-1, 0, 1, 2)]
    left, right = (middle.gather(1, at) for at in runs[1:3])
    u = torch.where(right > left, (cells - left) / (right - left).clamp(min=0.5), 0.0)
    weights = (
        u * (u * (1 - 0.5 * u) - 0.5),
        u * u * (1.5 * u - 2.5) + 1,
        u * (u * (2 - 1.5 * u) + 0.5),
        u * u * (0.5 * u - 0.5),
    )
    as_it_is = (0.0, 1.0, 0.0, 0.0)
    return (
        tuple(torch.where(even, first.gather(1, at), cells) for at in runs),
        tuple(torch.where(even, by, plain) for by, plain in zip(weights, as_it_is, strict=True)),
    )


def _runs(x: Float[Tensor, "B C *grid"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Along the last axis the run of each cell (B, n); first cell and middle of each run; whether all are alike (B, 1).

    Of the runs at a sample's ends no one knows how much is cut off: they count as long as the longest.
    """
    n = x.shape[-1]
    cells = torch.arange(n, device=x.device)
    begins = (x[..., 1:] != x[..., :-1]).flatten(1, -2).any(1)
    run = torch.cat([torch.zeros_like(begins[:, :1]), begins], 1).long().cumsum(1)
    lengths = torch.zeros_like(run).scatter_add(1, run, torch.ones_like(run))
    last, first = run[:, -1:], lengths.cumsum(1) - lengths
    inside = (cells > 0) & (cells < last)
    longest = torch.where(inside, lengths, 0).amax(1, keepdim=True)
    shortest = torch.where(inside, lengths, n).amin(1, keepdim=True)
    ends = torch.maximum(lengths[:, :1], lengths.gather(1, last))
    middle = first + (lengths - 1) / 2
    middle = torch.where(cells == 0, lengths - (longest + 1) / 2, middle)
    middle = torch.where(cells == last, first + (longest - 1) / 2, middle)
    return run, first, middle, (longest > 1) & (longest - shortest <= 1) & (ends <= longest)
