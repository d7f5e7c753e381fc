"""A column of the data set as the graph sees it: one more node, which nothing made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from torch import nn

from ssl_pipeline.models.decoders import Decoder
from ssl_pipeline.models.encoders import Encoder
from ssl_pipeline.models.layers import Normalize
from ssl_pipeline.structures.batch import Column, View, as_float, clean_view
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.structures.view_assignment import ViewAssignment

Statistics = tuple[Sequence[float] | None, Sequence[float] | None]
"""Mean and standard deviation of each channel, in the data's units; None of symbols, and where weights tell them."""


class ColumnInfo(NamedTuple):
    """What is known of a column before the graph is built."""

    grid: GridSpec
    steps: int | None = None
    statistics: Callable[[], Statistics] = lambda: (None, None)  # asked for where energies reach the column


class ColumnNode(nn.Module):
    """What belongs to each sample besides itself, such as a text, an action or what came next.

    Args:
        grid: what it lives on.
        steps: how many of them a sample has, one after another; None: one. As a view they are rows of their own, those
            of a sample standing together.
        encoder: makes latents of it; None: it is only led to, or it is encoded as the samples are, whose grid it has.
        decoder: makes what leads to it, see ``Graph``; None: what makes the decoder to the samples makes its own, and
            on the grid of the samples it is the same decoder.
        normalize: from its units to those of the networks; None: as the samples are standardised.
    """

    def __init__(
        self,
        grid: GridSpec,
        steps: int | None = None,
        encoder: Encoder | None = None,
        decoder: Callable[..., Decoder] | None = None,
        normalize: Normalize | None = None,
    ) -> None:
        super().__init__()
        self.grid, self.steps = grid, steps
        self.encoder, self.decoder, self.normalize = encoder, decoder, normalize

    def view(self, column: Column) -> View:
        """A column as a view, in its own units."""
        if self.steps is not None:
            column = column.of(lambda x: x.flatten(0, 1))
        return clean_view(self.grid, as_float(column.x, self.grid), column.valid)


class Columns(nn.ModuleDict):
    """What belongs to each sample besides itself, by name, as far as energies reach it."""

    def named(self) -> dict[str, ColumnNode]:
        """Columns by name."""
        return dict(self.items())  # pyright: ignore[reportReturnType]

    def views(self, columns: Mapping[str, Column], dealt: ViewAssignment) -> dict[str, View]:
        """Columns of a batch as views, those that it has, of the samples that are dealt."""
        return {
            name: column.view(columns[name].of(lambda rows, name=name: dealt.of(rows, name)))
            for name, column in self.named().items()
            if name in columns
        }

    def encoders(self) -> dict[str, Encoder]:
        """Encoders of those columns that are not encoded as the samples are."""
        return {name: column.encoder for name, column in self.named().items() if column.encoder is not None}

    def decoded_as(self, grid: GridSpec) -> list[str]:
        """Columns on the grid of the samples, to which the samples' decoder leads: those without one of their own."""
        return [name for name, column in self.named().items() if column.grid == grid and column.decoder is None]
