"""What masks of whole cells share: the cells, what is filled into them, and the view that comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool
from torch import Tensor

from ssl_pipeline.corruptions._snr import visible_mean
from ssl_pipeline.corruptions._validation import divisor
from ssl_pipeline.corruptions.base import Corruption
from ssl_pipeline.structures.batch import View
from ssl_pipeline.structures.grid import default_patch

Cell = int | tuple[int | None, ...] | list[int | None] | None
Fill = Literal["mean", "noise"] | float


def enlarge(cells: Bool[Tensor, "B *cells"], side: tuple[int, ...]) -> Bool[Tensor, "B *grid"]:
    """Each cell becomes a block of ``side`` grid places."""
    for dim, k in enumerate(side, start=1):
        cells = cells.repeat_interleave(k, dim)
    return cells


class CellMask(Corruption):
    """Hides whole cells and fills them; which ones is for those who inherit it to say.

    Args:
        cell: side of a cell in grid places, one or one per axis, where None is the whole axis; None: ``default_patch``.
        fill: what fills masked places of a continuous grid: ``mean``, ``noise`` or a number in data units.

    Raises:
        ValueError: an unknown filling; a cell that does not divide the grid; a discrete grid without a mask token.
    """

    masks = True

    def __init__(self, cell: Cell, fill: Fill) -> None:
        if isinstance(fill, str) and fill not in ("mean", "noise"):
            raise ValueError(f"fill must be mean, noise or a number, got {fill!r}: choose one of them")
        self.side, self.fill = cell, fill

    def setup(self) -> None:
        """How large a cell is, and how many of them lie along each axis."""
        grid = self.grid
        if grid.discrete and grid.mask_token is None:
            raise ValueError(
                "mask needs a symbol for masked places, got a discrete grid without one: set the grid's mask_token"
            )
        self.cell = divisor("cell", self._sides(self.side), grid)
        self.cells = tuple(n // k for n, k in zip(grid.shape, self.cell, strict=True))

    def _sides(self, cell: int | Sequence[int | None] | None) -> int | tuple[int, ...]:
        if cell is None:
            return default_patch(self.grid)
        if not isinstance(cell, Sequence) or len(cell) != self.grid.ndim:
            return cell  # pyright: ignore[reportReturnType] # a wrong number is refused with a sentence
        return tuple(axis.size if k is None else k for k, axis in zip(cell, self.grid.axes, strict=True))

    def with_mask(self, view: View, mask: Tensor) -> View:
        """Filled with the mask's symbol, the number, or the mean of what is visible.

        ``cell`` and ``visible`` stay unknown, since samples may have masks of different sizes.
        """
        whole = enlarge(self._any(mask), self.cell)
        if self.grid.mask_token is not None:
            return view._replace(x=view.x.masked_fill(whole, self.grid.mask_token), mask=whole)
        if not isinstance(self.fill, str):
            return view._replace(x=view.x.masked_fill(whole.unsqueeze(1), self.fill), mask=whole)
        visible = ~whole if view.valid is None else view.valid & ~whole
        return view._replace(x=torch.where(whole.unsqueeze(1), visible_mean(view.x, visible), view.x), mask=whole)

    def _hiding(
        self, view: View, hidden: Bool[Tensor, "B *cells"], visible: int | None, generator: torch.Generator
    ) -> View:
        """The view without some cells, of which ``visible`` are left in every sample; None: they differ."""
        mask, cell, unmasked = enlarge(hidden, self.cell), self.cell, view.x
        left = visible
        if view.mask is not None:
            mask, cell, left = mask | view.mask, self.cell if view.cell == self.cell else None, None
            unmasked = view.unmasked
        x = self._filled(view, mask, generator)
        return view._replace(x=x, mask=mask, cell=cell, visible=left, unmasked=unmasked)

    def _any(self, places: Bool[Tensor, "B *grid"]) -> Bool[Tensor, "B *cells"]:
        """Whether a cell holds some of the places."""
        for dim, k in enumerate(self.cell, start=1):
            places = places.unflatten(dim, (-1, k)).any(dim + 1)
        return places

    def _filled(self, view: View, mask: Bool[Tensor, "B *grid"], generator: torch.Generator) -> Tensor:
        x = view.x
        if self.grid.mask_token is not None:
            return self._symbols(x, mask, generator)
        if not isinstance(self.fill, str):
            return x.masked_fill(mask.unsqueeze(1), self.fill)
        visible = ~mask if view.valid is None else view.valid & ~mask
        filling = visible_mean(x, visible)
        if self.fill == "noise":
            std = visible_mean((x - filling).square(), visible).sqrt()
            filling = filling + std * torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
        return torch.where(mask.unsqueeze(1), filling, x)

    def _symbols(self, x: Tensor, mask: Bool[Tensor, "B *grid"], generator: torch.Generator) -> Tensor:
        """What a discrete grid holds in the end: the mask token in masked places."""
        assert self.grid.mask_token is not None
        return x.masked_fill(mask, self.grid.mask_token)
