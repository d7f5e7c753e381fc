"""Sets of the Hugging Face hub that are read while training, never fetched as a whole."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from ssl_pipeline.data.huggingface.hf_pixels import undecoded
from ssl_pipeline.data.io.streaming import interleave, shuffled
from ssl_pipeline.data.memory import MemoryDataset
from ssl_pipeline.structures.batch import Batch
from ssl_pipeline.structures.random import seed_of

_READ_AT_ONCE = 10  # shards; neighbours in a shard are often alike


class HfStream:
    """A ``datasets.IterableDataset`` as an endless stream of batches.

    Its order depends on the seed, the epoch and the number of ranks. To begin at a later step it reads, without
    decoding, past the samples of the earlier ones. ``source`` is a sample's number in the stream.

    Args:
        rows: the samples.
        column: of the images, texts, or whatever ``decode`` reads.
        label: column of the labels; used if they are classes.
        decode: makes an array, of the same shape each time, of a value of the column and the sample's number.
        buffer: samples among which it is shuffled.
        valid: tells from a batch of these which cells are real; None: all.

    Raises:
        ValueError: ``buffer`` is below 1.
    """

    def __init__(
        self,
        rows: Any,
        column: str,
        label: str | None,
        decode: Callable[[Any, int], np.ndarray],
        buffer: int = 1000,
        valid: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        import datasets

        if buffer < 1:
            raise ValueError(f"expected a buffer of at least 1 sample (1: no shuffling within a shard), got {buffer}")
        feature = None if label is None or rows.features is None else rows.features[label]
        self.label = self.classes = None
        if isinstance(feature, datasets.ClassLabel):
            self.label, self.classes = label, tuple(feature.names)
        self.rows = undecoded(rows.select_columns([column] if self.label is None else [column, self.label]), column)
        self.column, self.decode, self.buffer, self.valid = column, decode, buffer, valid

    def batches(self, batch_size: int, seed: int, step: int, rank: int, world: int) -> Iterator[Batch]:
        """This rank's samples of each global step, from ``step`` on, without end.

        Raises:
            ValueError: the stream has no sample for this rank.
        """
        part = batch_size // world
        if rank == 0 and (shards := self.rows.num_shards) % world:
            warnings.warn(
                f"the stream has {shards} shards for {world} processes, so each reads all of them and leaves out the "
                f"samples of the others: store it in a multiple of {world} shards",
                stacklevel=2,
            )
        rows = islice(self._endless(seed, rank, world), step * part, None)
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:  # decoders work outside the interpreter lock
            for now in count(step):
                source = now * batch_size + rank * part + torch.arange(part)
                yield self._batch(list(islice(rows, part)), source, pool)

    def in_order(self, batch_size: int) -> Iterator[Batch]:
        """Each sample once, as stored."""
        rows = iter(self.rows)
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for start in count(0, batch_size):
                if not (some := list(islice(rows, batch_size))):
                    return
                yield self._batch(some, start + torch.arange(len(some)), pool)

    def _endless(self, seed: int, rank: int, world: int) -> Iterator[dict]:
        for epoch in count():
            empty = True
            for row in self._epoch(np.random.default_rng(seed_of(seed, "stream", epoch)), rank, world):
                empty = False
                yield row
            if empty:
                raise ValueError(f"the stream has no sample for process {rank} of {world}: check its split")

    def _epoch(self, rng: np.random.Generator, rank: int, world: int) -> Iterator[dict]:
        n = self.rows.num_shards
        order = rng.permutation(n).tolist()
        whole = n % world == 0  # then a rank reads its own shards only, else all of them for every world-th sample
        shards = (self.rows.shard(n, number) for number in (order[rank::world] if whole else order))
        rows = interleave(shards, width=_READ_AT_ONCE)
        return shuffled(rows if whole else islice(rows, rank, None, world), self.buffer, rng)

    def _batch(self, rows: list[dict], source: Int64[Tensor, "B"], pool: ThreadPoolExecutor) -> Batch:
        def read(row: dict, number: int) -> np.ndarray:
            return self.decode(row[self.column], number)

        x = torch.from_numpy(np.stack(list(pool.map(read, rows, source.tolist()))))
        label = None if self.label is None else torch.tensor([_number(row[self.label]) for row in rows])
        return Batch(x=x, source=source, label=label, valid=None if self.valid is None else self.valid(x))


def in_memory(stream: HfStream) -> MemoryDataset:
    """All samples of a stream; unlabelled if one label is missing.

    Raises:
        ValueError: there are none.
    """
    batches = list(stream.in_order(256))
    if not batches:
        raise ValueError("the stream of the test part is empty: check split.test")
    labels = _cat(batch.label for batch in batches)
    if labels is not None and labels.min() < 0:
        labels = None
    x = torch.cat([batch.x for batch in batches])
    return MemoryDataset(x, labels=labels, valid=_cat(batch.valid for batch in batches))


def _cat(parts: Iterable[Tensor | None]) -> Tensor | None:
    some = [part for part in parts if part is not None]
    return torch.cat(some) if some else None


def _number(label: int | None) -> int:
    return -1 if label is None else label
