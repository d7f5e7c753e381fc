"""Shuffle: windows of the sample, or words of a text, change places."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Int64, Shaped
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._resample import along, place
from ssl_pipeline.corruptions._tokens import (
    SEPARATORS,
    Content,
    Unit,
    check_separators,
    check_text,
    check_unit,
    content,
    moved,
    run_starts,
    separates,
)
from ssl_pipeline.corruptions._validation import axis_dims
from ssl_pipeline.corruptions.base import Corruption
from ssl_pipeline.structures.batch import View
from ssl_pipeline.structures.grid import GridSpec


def permutation(movable: Bool[Tensor, "B W"], generator: torch.Generator) -> Int64[Tensor, "B W"]:
    """What stands in each place after the movable ones have changed places at random.

    >>> permutation(torch.tensor([[True, False, True]]), torch.Generator())[0, 1]
    tensor(1)
    """
    number = torch.arange(movable.shape[1], device=movable.device)
    luck = torch.rand(movable.shape, generator=generator, device=movable.device)
    places = torch.where(movable, 0, 1 + number).argsort(dim=1, stable=True)
    return torch.empty_like(places).scatter_(1, places, torch.where(movable, luck, 1 + number).argsort(1))


def word_order(text: Content, separators: Sequence[int], generator: torch.Generator) -> Int64[Tensor, "B N"]:
    """Which cell stands in each place after the words of a text have changed places at random."""
    gap = separates(text.x, separators)
    run = run_starts(gap).long().cumsum(1) - 1  # words and what is between them take turns
    first = gap[:, :1].long()  # of the word runs
    word = ((run - first) // 2).clamp(min=0)
    count = torch.where(text.inside & ~gap, word + 1, 0).amax(1, keepdim=True)
    place = permutation(text.index < count, generator)
    key = torch.where(gap, run, 2 * place.gather(1, word) + first)
    return key.masked_fill(~text.inside, 2 * text.x.shape[1] + 2).argsort(dim=1, stable=True)


@register("corruption", "shuffle")
class Shuffle(Corruption):
    """Windows along one axis are put in a random order, each sample's own; within a window all stays as it is.

    What is left at the end of the axis after the last whole window stays, and so does every window with padding in it.
    Of words, what stands between them stays in its order, and so do padding and end symbol.

    Args:
        window: its length in cells; None: the root of the number of cells along the axis.
        axis: name of the axis; None: the last one.
        unit: ``token`` or, in texts only, ``word``: the words change places, each keeps its letters; ``window`` counts
            for nothing.
        separators: symbols between words; the defaults are white space in bytes.

    Raises:
        ValueError: an unknown unit; no separator; words without a text;
            fewer than two windows along the axis; an axis that the grid does not have.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("position", 6), vocab=10)
    >>> view = clean_view(grid, torch.tensor([[1, 2, 3, 4, 5, 6]]))
    >>> Shuffle(window=3).bind(grid)(view, torch.Generator().manual_seed(2)).x
    tensor([[4, 5, 6, 1, 2, 3]])
    """

    def __init__(
        self,
        *,
        window: int | None = None,
        axis: str | None = None,
        unit: Unit = "token",
        separators: Sequence[int] = SEPARATORS,
    ) -> None:
        check_unit(unit)
        self.length, self.axis, self.unit, self.separators = window, axis, unit, check_separators(separators)

    @classmethod
    def suits(cls, grid: GridSpec) -> bool:
        return grid.discrete and grid.ndim == 1

    def setup(self) -> None:
        """The dimension along which windows move, and their length."""
        grid = self.grid
        if self.unit == "word":
            check_text("shuffle of words", grid)
        (self.dim,) = axis_dims(None if self.axis is None else [self.axis], grid, default=grid.names[-1:])
        cells = grid.shape[self.dim]
        self.window = round(cells**0.5) if self.length is None else self.length
        if not 1 <= self.window <= cells // 2:
            raise ValueError(
                f"window must leave at least two windows on the {cells} cells along {grid.names[self.dim]!r}, "
                f"got {self.window}: set 1 to {cells // 2}"
            )
        self.windows = cells // self.window

    def __call__(self, view: View, generator: torch.Generator) -> View:
        if self.unit == "word":
            return self._words(view, generator)
        cells = self._cells(view, generator)
        lines = [torch.arange(n, device=view.x.device).expand(cells.shape[0], -1).float() for n in self.grid.shape]
        lines[self.dim] = cells.float()
        whole = view.cell is not None and self.window % view.cell[self.dim] == 0
        return view._replace(
            x=self._taken(view.x, cells),
            source_coords=place(view.source_coords, lines),
            mask=None if view.mask is None else self._taken(view.mask, cells),
            cell=view.cell if whole else None,
            visible=view.visible if whole else None,
            valid=None if view.valid is None else self._taken(view.valid, cells),
        )

    def _words(self, view: View, generator: torch.Generator) -> View:
        text = content(view, self.grid)
        order = word_order(text, self.separators, generator)
        cells = torch.empty_like(order).scatter_(1, text.cells, text.cells.gather(1, order))
        return moved(view, view.x.gather(1, cells), cells, view.valid)

    def _cells(self, view: View, generator: torch.Generator) -> Int64[Tensor, "B n"]:
        """Index along the axis that each cell takes its content from."""
        batch, moving = view.x.shape[0], self.windows * self.window
        if view.valid is None:
            movable = torch.ones(batch, self.windows, dtype=torch.bool, device=view.x.device)
        else:
            line = view.valid.movedim(self.dim, 1).flatten(2).all(2) if self.grid.ndim > 1 else view.valid
            movable = line[:, :moving].unflatten(1, (self.windows, self.window)).all(2)
        index = torch.arange(self.grid.shape[self.dim], device=view.x.device)
        first = permutation(movable, generator).repeat_interleave(self.window, 1) * self.window
        return torch.cat([first + index[:moving] % self.window, index[moving:].expand(batch, -1)], dim=1)

    def _taken(self, x: Shaped[Tensor, "B ..."], cells: Int64[Tensor, "B n"]) -> Shaped[Tensor, "B ..."]:
        return x.gather(self.dim, along(cells, x.ndim - 1 + self.dim, x.ndim - 1).expand(x.shape))
