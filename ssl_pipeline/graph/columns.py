"""A column of the data set as the graph sees it: one more node, which no corruption made."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import NamedTuple, TypeVar

from torch import nn

from ssl_pipeline.models.decoders import Decoder
from ssl_pipeline.models.encoders import Encoder
from ssl_pipeline.models.layers import Normalize
from ssl_pipeline.structures.batch import Column, View, as_float, clean_view
from ssl_pipeline.structures.data_spec import ColumnInfo
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.structures.view_assignment import ViewAssignment
from ssl_pipeline.utils.errors import options_of

_Model = TypeVar("_Model", Encoder, Decoder)


class ColumnModels(NamedTuple):
    """Models of a column where they are to differ from those of the samples."""

    encoder: Encoder | None = None
    decoder: Decoder | None = None


class ColumnNode(nn.Module):
    """What belongs to each sample besides itself, such as a text, an action or what came next.

    Args:
        grid: what it lives on.
        steps: how many of them a sample has, one after another; None: one. As a view they are rows of their own, those
            of a sample standing together.
        encoder: makes latents of it; None: it is only led to, or it is encoded as the samples are, whose grid it has.
        decoder: makes what leads to it, see ``Graph``; None: what makes the decoder to the samples makes its own, and
            on the grid of the samples it is the same decoder.
        normalize: from its units to those of the networks; None: as the samples are normalised.
    """

    def __init__(
        self,
        grid: GridSpec,
        steps: int | None = None,
        encoder: Encoder | None = None,
        decoder: Decoder | None = None,
        normalize: Normalize | None = None,
    ) -> None:
        super().__init__()
        self.grid, self.steps = grid, steps
        self.encoder, self.normalize = encoder, normalize
        self.prototype = decoder

    def view(self, column: Column) -> View:
        """A column as a view, in its own units."""
        if self.steps is not None:
            column = column.of(lambda x: x.flatten(0, 1))
        return clean_view(self.grid, as_float(column.x, self.grid), column.valid)


class Columns(nn.ModuleDict):
    """What belongs to each sample besides itself, by name, as far as losses reach it."""

    def named(self) -> dict[str, ColumnNode]:
        """Columns by name."""
        return dict(self.items())  # pyright: ignore[reportReturnType]

    def views(self, columns: Mapping[str, Column], assignment: ViewAssignment) -> dict[str, View]:
        """Columns of a batch as views, those that it has, of the samples that pass some view."""
        return {
            name: column.view(columns[name].of(lambda rows, name=name: assignment.of(rows, name)))
            for name, column in self.named().items()
            if name in columns
        }

    def encoders(self) -> dict[str, Encoder]:
        """Encoders of those columns that are not encoded as the samples are."""
        return {name: column.encoder for name, column in self.named().items() if column.encoder is not None}

    def decoded_as(self, grid: GridSpec) -> list[str]:
        """Columns on the grid of the samples, to which the samples' decoder leads: those without one of their own."""
        return [name for name, column in self.named().items() if column.grid == grid and column.prototype is None]


def column_node(
    name: str,
    info: ColumnInfo,
    models: ColumnModels,
    *,
    encoded: bool,
    led_to: bool,
    grid: GridSpec,
    encoder: Encoder,
    like_encoder: Encoder,
    like_decoder: Decoder,
) -> ColumnNode:
    """A column that losses reach. On the grid of the samples it is encoded and decoded as they are.

    Args:
        name: of the column.
        info: what the data set says of it.
        models: that it is to have of its own.
        encoded: whether a loss starts from it.
        led_to: whether a loss leads to it.
        grid: of the samples.
        encoder: of the samples, bound.
        like_encoder: of the samples, unbound: a column of another grid gets one like it, which shares its trunk.
        like_decoder: likewise.

    Raises:
        ValueError: a model that nothing uses, or an encoder of other widths than that of the samples.
    """
    same = info.grid == grid
    if models.encoder is not None and (same or not encoded):
        why = "it is encoded as the samples are, whose grid it has" if encoded else "no loss starts from it"
        raise ValueError(f"columns.{name}.encoder would not be used: {why}")
    if models.decoder is not None and not led_to:
        raise ValueError(f"columns.{name}.decoder would not be used: no loss leads to it")
    own, decoder = None, models.decoder
    if encoded and not same:
        own = _own_encoder(name, info, models, encoder, like_encoder)
    if decoder is None and led_to and not same:
        decoder = elsewhere(like_decoder)
    normalize = None if same else Normalize(info.grid, *info.statistics())
    return ColumnNode(info.grid, info.steps, own, decoder, normalize)


def _own_encoder(name: str, info: ColumnInfo, models: ColumnModels, encoder: Encoder, like_encoder: Encoder) -> Encoder:
    """An encoder of a column; without one of its own it shares what of the samples' encoder knows no grid."""
    at = "encoder" if models.encoder is None else f"columns.{name}.encoder"
    try:
        with options_of(at):
            own = (models.encoder or elsewhere(like_encoder)).bind(info.grid, (name,))
    except ValueError as error:
        raise ValueError(f"no encoder for column {name} (+encoder@columns.{name}.encoder=...): {error}") from error
    if (own.width, own.embedding_width) != (encoder.width, encoder.embedding_width):
        raise ValueError(
            f"columns.{name}.encoder gives tokens of {own.width} numbers and embeddings of {own.embedding_width}, and "
            f"the encoder of the samples {encoder.width} and {encoder.embedding_width}: make them alike (width, pool)"
        )
    for shared in own.shared if models.encoder is None else ():
        setattr(own, shared, getattr(encoder, shared))
    return own


def elsewhere(part: _Model) -> _Model:
    """A model of the samples for another grid: ``patch`` counts cells, and there it is the usual one."""
    part = deepcopy(part)
    if hasattr(part, "patch"):
        part.patch = None  # pyright: ignore
    return part
