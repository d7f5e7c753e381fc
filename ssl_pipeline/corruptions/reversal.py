"""Reversal: the sample is read backwards."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._tokens import (
    SEPARATORS,
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


@register("corruption", "reversal")
class Reversal(Corruption):
    """Flips along named axes. ``coords`` stays, or the encoder could see the flip; ``source_coords`` flips with ``x``.

    A text (one discrete axis) is reversed within itself: its padding and its end symbol stay where they are.

    Args:
        axes: names of the axes to flip; None: the last one.
        unit: ``token`` or, in texts only, ``word``: the words and what is between them change their order, and each
            keeps its letters.
        separators: symbols between words; the defaults are white space in bytes.

    Raises:
        ValueError: no axis, or one that the grid does not have; an unknown unit; no separator; words without a text.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("position", 3), vocab=10)
    >>> view = Reversal().bind(grid)(clean_view(grid, torch.tensor([[1, 2, 3]])), torch.Generator())
    >>> view.x, view.source_coords.flatten()
    (tensor([[3, 2, 1]]), tensor([2.5000, 1.5000, 0.5000]))
    >>> view = clean_view(grid, torch.tensor([[1, 2, 3]]))
    >>> Reversal(unit="word", separators=[2]).bind(grid)(view, torch.Generator()).x
    tensor([[3, 2, 1]])
    """

    def __init__(
        self,
        *,
        axes: Sequence[str] | None = None,
        unit: Unit = "token",
        separators: Sequence[int] = SEPARATORS,
    ) -> None:
        check_unit(unit)
        self.axes, self.unit, self.separators = axes, unit, check_separators(separators)

    def setup(self) -> None:
        """The dimensions that are flipped; words are those of a grid of one discrete axis."""
        self.dims = axis_dims(self.axes, self.grid, default=self.grid.names[-1:])
        if self.unit == "word":
            check_text("reversal of words", self.grid)

    def __call__(self, view: View, generator: torch.Generator) -> View:
        if self.grid.discrete and self.grid.ndim == 1:
            return self._text(view)
        before_coordinate = tuple(dim - 1 for dim in self.dims)
        return view._replace(
            x=view.x.flip(self.dims),
            source_coords=view.source_coords.flip(before_coordinate),
            mask=None if view.mask is None else view.mask.flip(self.dims),
            valid=None if view.valid is None else view.valid.flip(self.dims),
        )

    def _text(self, view: View) -> View:
        text = content(view, self.grid)
        run = text.index.expand(view.x.shape)
        if self.unit == "word":
            run = run_starts(separates(text.x, self.separators)).long().cumsum(1)
        order = (-run).masked_fill(~text.inside, 1).argsort(dim=1, stable=True)  # last run first, the rest where it is
        cells = torch.empty_like(order).scatter_(1, text.cells, text.cells.gather(1, order))
        out = moved(view, view.x.gather(1, cells), cells, view.valid)
        return out._replace(cell=view.cell, visible=view.visible) if view.cell == (1,) else out
