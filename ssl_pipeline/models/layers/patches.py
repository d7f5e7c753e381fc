"""Cutting a grid into equal patches and putting it together again, for any number of axes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from ssl_pipeline.structures.grid import GridSpec, default_patch


class Patches:
    """The patches of a grid, in row-major order. Views of another size are cut likewise, where patches divide them.

    Args:
        grid: the grid that is cut, and the one that is put together again.
        size: side of a patch in cells, one for all axes or one an axis; None for ``default_patch``.

    Raises:
        ValueError: the grid is not a whole number of patches along some axis.

    >>> patches = Patches(GridSpec.of(("y", 28), ("x", 28), channels=1), 4)
    >>> patches.shape, patches.count, patches.width
    ((7, 7), 49, 16)
    """

    def __init__(self, grid: GridSpec, size: int | Sequence[int] | None = None) -> None:
        self.grid = grid
        size = default_patch(grid) if size is None else size
        self.size = (size,) * grid.ndim if isinstance(size, int) else tuple(size)
        if len(self.size) != grid.ndim:
            raise ValueError(f"patch={list(self.size)} has {len(self.size)} sides, the grid has {grid.ndim} axes")
        for axis, side in zip(grid.axes, self.size, strict=True):
            if side < 1 or axis.size % side:
                fits = [s for s in range(1, axis.size + 1) if axis.size % s == 0]
                raise ValueError(
                    f"patch={side} does not divide the {axis.size} cells of axis {axis.name}; take one of {fits}"
                )
        self.shape = tuple(n // s for n, s in zip(grid.shape, self.size, strict=True))
        self.count = prod(self.shape)
        self.cells = prod(self.size)
        self.width = self.cells * (grid.channels or 1)
        counts, sides = ([f"{sign}{axis}" for axis in range(grid.ndim)] for sign in "np")
        self._sides = dict(zip(sides, self.size, strict=True))
        self._cut = "b c " + " ".join(f"({count} {side})" for count, side in zip(counts, sides, strict=True))
        self._flat = f"b ({' '.join(counts)}) (c {' '.join(sides)})"

    def shape_of(self, cells: Sequence[int]) -> tuple[int, ...]:
        """Number of patches along each axis of a view of so many cells.

        Raises:
            ValueError: the view is not a whole number of patches along some axis.
        """
        for axis, n, side in zip(self.grid.axes, cells, self.size, strict=True):
            if n < 1 or n % side:
                raise ValueError(
                    f"a view of {n} cells along {axis.name} does not divide into patches of {side}: give it a multiple "
                    f"of {side} cells (such as corruption.crop.size={(n // side + 1) * side}), or set patch to one of "
                    f"{[s for s in range(1, n + 1) if n % s == 0 and axis.size % s == 0]}"
                )
        return tuple(n // side for n, side in zip(cells, self.size, strict=True))

    def split(self, x: Shaped[Tensor, "B ..."]) -> Shaped[Tensor, "B N P"]:
        """Cut ``(B, C, *grid)``, or ``(B, *grid)`` of a discrete grid or a mask, into flattened patches.

        Raises:
            ValueError: see ``shape_of``.
        """
        x = x if x.ndim == self.grid.ndim + 2 else x.unsqueeze(1)
        self.shape_of(x.shape[2:])
        return rearrange(x, f"{self._cut} -> {self._flat}", **self._sides)

    def join(self, tokens: Shaped[Tensor, "B N P"]) -> Shaped[Tensor, "B C ..."]:
        """Inverse of ``split`` on the continuous grid itself: ``(B, N, C * cells)`` to ``(B, C, *grid)``."""
        counts = {f"n{axis}": count for axis, count in enumerate(self.shape)}
        return rearrange(tokens, f"{self._flat} -> {self._cut}", **counts, **self._sides)

    def centres(self, where: Float[Tensor, "B *grid n"]) -> Float[Tensor, "B N n"]:
        """Mean coordinate of each patch's cells."""
        return self.split(where.movedim(-1, 1)).unflatten(-1, (self.grid.ndim, self.cells)).mean(-1)

    def wholly(self, mask: Bool[Tensor, "B *grid"]) -> Bool[Tensor, "B N"]:
        """Patches all of whose cells are set."""
        return self.split(mask).all(-1)

    def count_in(self, cells: int, cell: Sequence[int]) -> int:
        """Number of patches in so many cells of another size."""
        return cells * prod(cell) // self.cells

    def fits(self, cell: Sequence[int]) -> bool:
        """Whether a mask made of such cells is made of whole patches."""
        return all(c % s == 0 for c, s in zip(cell, self.size, strict=True))


def pick(values: Shaped[Tensor, "B N P"], index: Int64[Tensor, "B K"]) -> Shaped[Tensor, "B K P"]:
    """The tokens of each row at its indices."""
    return values.gather(1, index.unsqueeze(-1).expand(-1, -1, values.shape[-1]))


def first_true(mask: Bool[Tensor, "B N"], count: int) -> Int64[Tensor, "B K"]:
    """Indices of the first ``count`` set places of each row, in order."""
    return torch.argsort(mask.logical_not().to(torch.uint8), dim=1, stable=True)[:, :count]
