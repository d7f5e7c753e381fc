"""Reversal: the sample is read backwards."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ssl_pipeline.corruptions._options import axis_dims
from ssl_pipeline.corruptions.base import Corruption
from ssl_pipeline.grid import GridSpec
from ssl_pipeline.records import View


class Reversal(Corruption):
    """Flips along named axes. ``position`` stays, or the encoder could see the flip; ``origin`` flips with ``x``.

    Args:
        grid: grid of the views.
        axes: names of the axes to flip; None: the last one.

    Raises:
        ValueError: no axis, or one that the grid does not have.

    >>> from ssl_pipeline.records import clean_view
    >>> grid = GridSpec.of(("position", 3), vocab=10)
    >>> view = Reversal(grid=grid)(clean_view(grid, torch.tensor([[1, 2, 3]])), torch.Generator())
    >>> view.x, view.origin.flatten()
    (tensor([[3, 2, 1]]), tensor([2.5000, 1.5000, 0.5000]))
    """

    def __init__(self, *, grid: GridSpec, axes: Sequence[str] | None = None) -> None:
        super().__init__(grid)
        self.dims = axis_dims(axes, grid, default=grid.names[-1:])

    def __call__(self, view: View, generator: torch.Generator) -> View:
        before_coordinate = tuple(dim - 1 for dim in self.dims)
        return view._replace(
            x=view.x.flip(self.dims),
            origin=view.origin.flip(before_coordinate),
            removed=None if view.removed is None else view.removed.flip(self.dims),
            valid=None if view.valid is None else view.valid.flip(self.dims),
        )
