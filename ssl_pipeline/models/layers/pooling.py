"""Means over the tokens that count."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from ssl_pipeline.structures.grid import GridSpec


def masked_mean(tokens: Float[Tensor, "B N D"], valid: Bool[Tensor, "B N"] | None) -> Float[Tensor, "B D"]:
    """Mean over the valid tokens of each sample."""
    if valid is None:
        return tokens.mean(1)
    weight = valid.unsqueeze(-1).to(tokens.dtype)
    return (tokens * weight).sum(1) / weight.sum(1).clamp(min=1)


def pool_cells(pool: int | Sequence[int], grid: GridSpec) -> tuple[int, ...]:
    """Number of cells along each axis.

    Raises:
        ValueError: numbers for another number of axes, or one below 1.
    """
    cells = (pool,) * grid.ndim if isinstance(pool, int) else tuple(pool)
    if len(cells) != grid.ndim or min(cells) < 1:
        raise ValueError(f"encoder.pool={pool}: expected one number, or one for each of {', '.join(grid.names)}")
    return cells


def cell_means(x: Float[Tensor, "B C *grid"], cells: Sequence[int]) -> Float[Tensor, "B C *cells"]:
    """Means over a few cells that a map is cut into.

    Where they are of one size that is not left to ``adaptive_avg_pool``, whose gradient was measured ten times as slow.

    >>> cell_means(torch.tensor([[[1.0, 3.0, 8.0, 10.0]]]), [2])
    tensor([[[2., 9.]]])
    """
    ndim, sides = len(cells), x.shape[2:]
    if tuple(sides) == tuple(cells):
        return x
    if all(side % n == 0 for side, n in zip(sides, cells, strict=True)):
        return getattr(F, f"avg_pool{ndim}d")(x, [side // n for side, n in zip(sides, cells, strict=True)])
    return getattr(F, f"adaptive_avg_pool{ndim}d")(x, cells)


class CellMean(nn.Module):
    """Means over the valid tokens in each of a few cells that the grid's extent is cut into, one after the other.

    A cell without any takes the mean of the sample.

    Args:
        grid: clean grid.
        cells: number of cells along each axis.

    >>> grid = GridSpec.of(("time", 4), channels=1)
    >>> tokens, where = torch.tensor([[[1.0], [3.0], [8.0], [10.0]]]), grid.coordinates()
    >>> CellMean(grid, (2,))(tokens, where, None)
    tensor([[2., 9.]])
    """

    extent: Tensor

    def __init__(self, grid: GridSpec, cells: tuple[int, ...]) -> None:
        super().__init__()
        self.cells, self.count = cells, prod(cells)
        extent = [axis.size * axis.spacing / n for axis, n in zip(grid.axes, cells, strict=True)]
        self.register_buffer("extent", torch.tensor(extent), persistent=False)

    def forward(
        self, tokens: Float[Tensor, "B N D"], coords: Float[Tensor, "#B N n"], valid: Bool[Tensor, "B N"] | None
    ) -> Float[Tensor, "B _"]:
        """Tokens at coordinates, in the grid's units."""
        mean = masked_mean(tokens, valid)
        if self.count == 1:
            return mean
        index, along = torch.zeros_like(coords[..., 0], dtype=torch.long), (coords / self.extent).long()
        for axis, n in enumerate(self.cells):
            index = index * n + along[..., axis].clamp(0, n - 1)
        weight = (index.unsqueeze(-1) == torch.arange(self.count, device=index.device)).to(tokens.dtype)
        if valid is not None:
            weight = weight * valid.unsqueeze(-1).to(tokens.dtype)
        sums = weight.transpose(1, 2).expand(tokens.shape[0], -1, -1) @ tokens
        filled = weight.sum(1).unsqueeze(-1)
        return torch.where(filled > 0, sums / filled.clamp(min=1), mean.unsqueeze(1)).flatten(1)
