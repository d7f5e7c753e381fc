"""A column of the data set as the graph sees it: one more node, which nothing made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from torch import Tensor, nn

from ssl_pipeline.decoders import Decoder
from ssl_pipeline.encoders import Encoder
from ssl_pipeline.grid import GridSpec
from ssl_pipeline.layers import Standardise
from ssl_pipeline.records import Column, View, as_float, clean_view

Statistics = tuple[Sequence[float] | None, Sequence[float] | None]
"""Mean and standard deviation of each channel, in the data's units; None of symbols, and where weights tell them."""


class Known(NamedTuple):
    """What is known of a column before the graph is built."""

    grid: GridSpec
    steps: int | None = None
    statistics: Callable[[], Statistics] = lambda: (None, None)  # asked for where energies reach the column


class Beside(nn.Module):
    """What belongs to each sample besides itself, such as a text, an action or what came next.

    Args:
        grid: what it lives on.
        steps: how many of them a sample has, one after another; None: one. As a view they are rows of their own, those
            of a sample standing together.
        encoder: makes latents of it; None: it is only led to, or it is encoded as the samples are, whose grid it has.
        decoder: makes what leads to it, see ``Graph``; None: what makes the decoder to the samples makes its own.
        standardise: from its units to those of the networks; None: as the samples are standardised.
    """

    def __init__(
        self,
        grid: GridSpec,
        steps: int | None = None,
        encoder: Encoder | None = None,
        decoder: Callable[..., Decoder] | None = None,
        standardise: Standardise | None = None,
    ) -> None:
        super().__init__()
        self.grid, self.steps = grid, steps
        self.encoder, self.decoder, self.standardise = encoder, decoder, standardise

    def view(self, column: Column) -> View:
        """The column of a batch as a view, in its own units."""
        if self.steps is not None:
            column = column.of(lambda x: x.flatten(0, 1))
        return clean_view(self.grid, as_float(column.x, self.grid), column.valid)


def views_beside(beside: Mapping[str, Beside], columns: Mapping[str, Column]) -> dict[str, View]:
    """Columns of a batch as views, those that it has."""
    return {name: column.view(columns[name]) for name, column in beside.items() if name in columns}


def first_steps(x: Tensor, samples: int) -> Tensor:
    """Of the rows of a column those that are the first of their sample.

    >>> import torch
    >>> first_steps(torch.arange(6), samples=2)
    tensor([0, 3])
    """
    return x[:: len(x) // samples]
