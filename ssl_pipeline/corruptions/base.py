"""What every corruption is: a map from view to view, drawn from an explicit generator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from typing import ClassVar, TypeVar

import torch
from torch import Tensor

from ssl_pipeline.corruptions._validation import interval
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

    levels: ClassVar[Mapping[str, Sequence[float]]] = {}
    """What the options that ``severity`` stands for are at severity 1, 2, 3, 4 and 5; straight lines between them."""

    severity: tuple[float, float] | None = None
    """Interval that the severity of a sample is drawn from; None: its options are drawn from intervals of theirs."""

    masks: bool = False
    """Whether its views are masked. What masks keeps ``View.unmasked``: ``x`` before the first mask."""

    keeps_unmasked: bool = True
    """Whether ``unmasked_view`` can give its views without their masks."""

    @property
    def only_masks(self) -> bool:
        """Whether masking is all that it does."""
        return self.masks

    @classmethod
    def suits(cls, grid: GridSpec) -> bool:
        """Whether files with samples of this grid are commonly met in this form: protocol P2 and ``any`` ask for it."""
        return False

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

    def drawn(self, batch: int, generator: torch.Generator) -> dict[str, Tensor]:
        """The options of ``levels`` for each sample, (B,) each."""
        if self.severity is None:
            return {name: draw(getattr(self, name), batch, generator) for name in self.levels}
        severity = draw(self.severity, batch, generator)
        return {name: at_severity(levels, severity) for name, levels in self.levels.items()}

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


def at_severity(levels: Sequence[float], severity: Tensor) -> Tensor:
    """An option at severities (B,) between 1 and 5.

    >>> at_severity((1.0, 2.0, 4.0, 6.0, 8.0), torch.tensor([1.0, 2.5, 5.0]))
    tensor([1., 3., 8.])
    """
    known = torch.tensor(levels, device=severity.device)
    below = (severity.long() - 1).clamp(0, len(levels) - 2)
    return torch.lerp(known[below], known[below + 1], severity - 1 - below)


def severity_or(
    severity: Range | None, default: Range | None = (1.0, 5.0), **options: Range | None
) -> tuple[float, float] | None:
    """The interval of the severity; None where options in its place are given.

    Args:
        severity: as the user wrote it.
        default: where neither is given.
        **options: what stands in its place.

    Raises:
        ValueError: both; a severity outside 1 to 5.

    >>> severity_or(3, sigma=None), severity_or(None, sigma=None), severity_or(None, sigma=0.1)
    ((3.0, 3.0), (1.0, 5.0), None)
    """
    given = [name for name, value in options.items() if value is not None]
    if severity is not None and given:
        raise ValueError(f"severity says what {', '.join(options)} are, got it and {', '.join(given)}: leave one null")
    severity = default if severity is None and not given else severity
    return None if severity is None else interval("severity", severity, 1.0, 5.0)
