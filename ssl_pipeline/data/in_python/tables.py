"""Rows of numbers that are passed in Python: each column gets a mean of 0 and a standard deviation of 1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import torch

from ssl_pipeline.data.base import Data, Dataset, Index, Stream, spread_batches
from ssl_pipeline.data.codecs.base import Codec
from ssl_pipeline.data.codecs.table import TableCodec
from ssl_pipeline.structures.batch import Batch


class ScaledRows:
    """Rows of a data set, standardised.

    Args:
        rows: (B, 1, F) in the columns' units.
        codec: standardises them.
    """

    def __init__(self, rows: Dataset, codec: TableCodec) -> None:
        self.rows, self.codec, self.labels, self.sources = rows, codec, rows.labels, rows.sources

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Index) -> Batch:
        return _scaled(self.rows[index], self.codec)


class ScaledStream:
    """Rows of a stream, likewise."""

    def __init__(self, rows: Stream, codec: TableCodec) -> None:
        self.rows, self.codec = rows, codec

    def batches(self, batch_size: int, seed: int, step: int, rank: int, world: int) -> Iterator[Batch]:
        """See ``Stream``."""
        for batch in self.rows.batches(batch_size, seed, step, rank, world):
            yield _scaled(batch, self.codec)

    def in_order(self, batch_size: int) -> Iterator[Batch]:
        """See ``Stream``."""
        for batch in self.rows.in_order(batch_size):
            yield _scaled(batch, self.codec)


def table_of(data: Data, limit: int) -> Data:
    """A table whose columns are called 1, 2 ...

    Args:
        data: rows (B, 1, F) in the columns' units.
        limit: training rows of which the scales are taken, at most.

    Raises:
        ValueError: see ``TableCodec``.
    """
    rows = torch.cat([batch.x[:, 0].double() for batch in spread_batches(data.train, limit)]).numpy()
    return _read_with(data, TableCodec.of([str(i + 1) for i in range(rows.shape[1])], rows))


def _read_with(data: Data, codec: Codec) -> Data:
    """A table on given scales; its columns are known by their order alone.

    Raises:
        ValueError: another number of columns.
    """
    count = data.grid.shape[0]
    if not isinstance(codec, TableCodec) or len(codec.columns) != count:
        wanted = f"{len(codec.columns)} columns" if isinstance(codec, TableCodec) else "no tables"
        raise ValueError(f"expected rows as the model takes them ({wanted}), got rows of {count} columns")

    train = ScaledStream(data.train, codec) if isinstance(data.train, Stream) else ScaledRows(data.train, codec)
    test = None if data.test is None else ScaledRows(data.test, codec)
    read_with = partial(_read_with, data)
    return replace(data, grid=codec.grid, train=train, test=test, codec=codec, read_with=read_with)


def _scaled(batch: Batch, codec: TableCodec) -> Batch:
    return batch._replace(x=codec.encode(batch.x[:, 0])[0])
