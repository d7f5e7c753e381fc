"""What every corruption is: a map from view to view, drawn from an explicit generator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import copy
from typing import TypeVar

import torch
from torch import Tensor

from ssl_pipeline.structures.batch import View
from ssl_pipeline.structures.grid import GridSpec

_Own = TypeVar("_Own", bound="Corruption")

Range = float | tuple[float, float] | list[float]


class Corruption(ABC):
    """Corrupts whole batches on their device; holds options only, never the outcome of a call.

    It is made without a grid and bound to one before it is called, ``Mask(ratio=0.75).bind(grid)``; a graph does this.
    It leaves ``View.mask``, ``target``, ``unmasked`` and ``valid`` as they are unless it masks or moves cells; what it
    writes into padding counts for nothing.

    Attributes:
        grid: grid of the views that come in.
        output_grid: grid of the views that go out.
    """

    grid: GridSpec
    output_grid: GridSpec

    corruption_params: tuple[str, ...] = ()
    """Entries of ``View.params`` that this corruption fills: what a decoder to its view must know, (B,) each."""

    masks: bool = False
    """Whether its views are masked. What masks keeps ``View.unmasked``: ``x`` before the first mask."""

    keeps_unmasked: bool = True
    """Whether ``unmasked_view`` can give its views without their masks."""

    @property
    def only_masks(self) -> bool:
        """Whether masking is all that it does."""
        return self.masks

    def bind(self: _Own, grid: GridSpec) -> _Own:
        """A copy of it for views on a grid.

        Raises:
            ValueError: options that do not fit the grid.
        """
        bound = copy(self)
        bound.grid = bound.output_grid = grid
        bound.setup()
        return bound

    def setup(self) -> None:  # noqa: B027
        """Check the options against ``self.grid`` and set what follows from it, such as another ``output_grid``."""

    def for_step(self, generator: torch.Generator) -> Corruption:
        """It with what is drawn once a step for all samples, if there is such a thing; itself where there is none.

        Where it is called without this before, it draws that for each call.

        Args:
            generator: on the processor, alike on all ranks.
        """
        return self

    @abstractmethod
    def __call__(self, view: View, generator: torch.Generator) -> View:
        """Corrupt a view. The same generator state gives the same view; the input stays as it was."""

    def with_mask(self, view: View, mask: Tensor) -> View:
        """A view that is corrupted already, with a given mask: filled as this one fills its own, where it draws the
        filling with what it draws most or on average.

        Args:
            view: as it stands, whatever is under the mask.
            mask: (B, *grid) bool, True = hidden; a cell is hidden as a whole where a place of it is.

        Raises:
            ValueError: this corruption does not mask.
        """
        name = type(self).__name__.lower()
        raise ValueError(f"{name} does not mask: leave out mask, or take a view that is masked")

    def params_of(self, view: View) -> Tensor | None:
        """Parameters (B, k) of one of its views, as a decoder to that view takes them; None where it has none."""
        params = [view.params[key].float() for key in self.corruption_params]
        return torch.stack(params, dim=1) if params else None


def draw(bounds: Range, batch: int, generator: torch.Generator) -> Tensor:
    """One uniform number a sample, (B,), between two bounds, or a constant."""
    low, high = bounds if isinstance(bounds, (tuple, list)) else (bounds, bounds)
    return low + (high - low) * torch.rand(batch, generator=generator, device=generator.device)
