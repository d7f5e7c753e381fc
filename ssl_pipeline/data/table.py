"""Tables: rows in the units of their columns, read through the codec of a model."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch
from jaxtyping import Float

from ssl_pipeline.data.base import STATISTICS_SAMPLES, Data, Dataset, Index, Stream, spread_batches
from ssl_pipeline.data.codecs.base import Codec
from ssl_pipeline.data.codecs.table import TableCodec
from ssl_pipeline.structures.batch import Batch

_CHUNK = 256


@dataclass(frozen=True)
class TableRows:
    """A table, and how it is read.

    Args:
        rows: (B, 1, F) in the columns' units; NaN where a number is missing.
        codec: of its own training rows.
        fill: whether a missing number becomes the mean of its column.
        named: whether its columns are known by their names, or by their order alone.
    """

    rows: Data
    codec: TableCodec
    fill: bool = False
    named: bool = True

    def read_with(self, codec: Codec) -> Data:
        """The standardised rows.

        Args:
            codec: of the table itself or of a trained model; one that reads no tables changes nothing.

        Raises:
            ValueError: the model learnt from other columns.
        """
        if not isinstance(codec, TableCodec):
            return self.read_with(self.codec)
        if codec != self.codec:
            self._check_columns(codec)
        train, test, how = self.rows.train, self.rows.test, (codec, self.fill)
        scaled = replace(
            self.rows,
            grid=codec.grid,
            train=ScaledStream(train, *how) if isinstance(train, Stream) else ScaledRows(train, *how),
            test=None if test is None else ScaledRows(test, *how),
            codec=codec,
            read_with=self.read_with,
        )
        if codec != self.codec:
            self._warn_of_far_ones(scaled, codec)
        return scaled

    def _check_columns(self, codec: TableCodec) -> None:
        mine, theirs = [*self.codec.columns], [*codec.columns]
        if mine != theirs if self.named else len(mine) != len(theirs):
            advice = f"set data.columns=[{','.join(theirs)}]" if self.named else "pass these columns in this order"
            raise ValueError(
                f"the model learnt from the columns {', '.join(theirs)}, and {self.rows.name} is read with "
                f"{', '.join(mine)}: {advice}"
            )

    def _warn_of_far_ones(self, scaled: Data, codec: TableCodec) -> None:
        some = next(spread_batches(scaled.train, _CHUNK))
        if far := codec.far_off(some.x):
            warnings.warn(f"{scaled.name}: {far}", stacklevel=4)


class ScaledRows:
    """Rows of a data set, standardised.

    Args:
        rows: (B, 1, F) in the columns' units.
        codec: standardises them.
        fill: whether a missing number becomes the mean of its column.
    """

    def __init__(self, rows: Dataset, codec: TableCodec, fill: bool = False) -> None:
        self.rows, self.codec, self.fill, self.labels, self.sources = rows, codec, fill, rows.labels, rows.sources

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Index) -> Batch:
        return _scaled(self.rows[index], self.codec, self.fill)


class ScaledStream:
    """Rows of a stream, likewise."""

    def __init__(self, rows: Stream, codec: TableCodec, fill: bool = False) -> None:
        self.rows, self.codec, self.fill = rows, codec, fill

    def batches(self, batch_size: int, seed: int, step: int, rank: int, world: int) -> Iterator[Batch]:
        """See ``Stream``."""
        for batch in self.rows.batches(batch_size, seed, step, rank, world):
            yield _scaled(batch, self.codec, self.fill)

    def in_order(self, batch_size: int) -> Iterator[Batch]:
        """See ``Stream``."""
        for batch in self.rows.in_order(batch_size):
            yield _scaled(batch, self.codec, self.fill)


def rows_of(part: Dataset | Stream, whole: bool) -> Iterator[Float[np.ndarray, "B F"]]:
    """Rows in their own units, from which scales are taken.

    Args:
        part: (B, 1, F).
        whole: all rows; else some of them, the first of a stream.
    """
    if isinstance(part, Stream):
        batches = islice(part.in_order(_CHUNK), STATISTICS_SAMPLES // _CHUNK)
    else:
        batches = spread_batches(part, len(part) if whole else STATISTICS_SAMPLES)
    for batch in batches:
        yield batch.x[:, 0].double().numpy()


def _scaled(batch: Batch, codec: TableCodec, fill: bool) -> Batch:
    x = codec.encode(batch.x[:, 0])[0]
    return batch._replace(x=torch.nan_to_num(x) if fill else x)
