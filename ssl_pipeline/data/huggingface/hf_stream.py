"""Sets of the Hugging Face hub that are read while training, never fetched as a whole."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, count, islice
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ssl_pipeline.data.cache.decode_cache import passes
from ssl_pipeline.data.huggingface.hf_pixels import undecoded
from ssl_pipeline.data.io.streaming import interleave, shuffled
from ssl_pipeline.data.io.unreadable import StreamTally, check_unreadable
from ssl_pipeline.data.memory import MemoryDataset
from ssl_pipeline.structures.batch import Batch
from ssl_pipeline.structures.random import seed_of

_READ_AT_ONCE = 10  # shards; neighbours in a shard are often alike
_THREADS = min(8, os.cpu_count() or 1)
_LOOKED_FOR = 1000  # samples among which one that can be read is looked for


class _Sample(NamedTuple):
    """One row of a stream."""

    number: int
    x: np.ndarray | None  # None: it cannot be read
    label: int  # -1: it has none
    reason: str = ""  # why it cannot be read


class HfStream:
    """A ``datasets.IterableDataset`` as an endless stream of batches.

    Its order depends on the seed, the epoch and the number of ranks. To begin at a later step it reads, without
    decoding, past the samples of the earlier ones. ``source`` is a sample's number in the stream. In training another
    sample, with its source, stands in for one that cannot be read, so that batches keep their size and their place.

    Args:
        rows: the samples.
        column: of the images, texts, or whatever ``decode`` reads.
        label: column of the labels; used if they are classes.
        decode: makes an array, of the same shape each time, of a value of the column.
        buffer: samples among which it is shuffled.
        limit: largest fraction of samples that cannot be read, in training.
        valid: tells from a batch of these which cells are real; None: all.

    Raises:
        ValueError: ``buffer`` is below 1.
    """

    def __init__(
        self,
        rows: Any,
        column: str,
        label: str | None,
        decode: Callable[[Any], np.ndarray],
        buffer: int = 1000,
        limit: float | int = 0.05,
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
        self.column, self.decode, self.buffer, self.limit, self.valid = column, decode, buffer, limit, valid

    def batches(self, batch_size: int, seed: int, step: int, rank: int, world: int) -> Iterator[Batch]:
        """This rank's samples of each global step, from ``step`` on, without end.

        Raises:
            ValueError: the stream has no sample for this rank, or too many cannot be read.
        """
        part = batch_size // world
        if rank == 0 and (shards := self.rows.num_shards) % world:
            warnings.warn(
                f"the stream has {shards} shards for {world} processes, so each reads all of them and leaves out the "
                f"samples of the others: store it in a multiple of {world} shards",
                stacklevel=2,
            )
        rows, tally = islice(self._endless(seed, rank, world), step * part, None), StreamTally(self.limit)

        def number(place: int) -> int:
            return place // part * batch_size + rank * part + place % part

        with ThreadPoolExecutor(_THREADS) as pool:  # decoders work outside the interpreter lock
            for start in count(step * part, part):
                numbers = map(number, range(start, start + part))
                some = list(pool.map(self._read, islice(rows, part), numbers))
                _count(some, tally)
                if all(sample.x is None for sample in some):
                    later = self._until_readable(rows, map(number, count(start + part)))
                    some, rows = [*some, later[-1][1]], chain([row for row, _ in later], rows)
                yield self.batch(_without_gaps(some)[:part])

    def in_order(self, batch_size: int) -> Iterator[Batch]:
        """Each sample that can be read once, as stored."""
        tally, said = StreamTally(limit=1.0), self.label is None
        for some in self.samples(batch_size):
            _count(some, tally)
            if not said and (unknown := [sample.number for sample in some if sample.label < 0]):
                warnings.warn(f"sample {unknown[0]}, and maybe others of the stream, have no label", stacklevel=2)
                said = True
            if readable := [sample for sample in some if sample.x is not None]:
                yield self.batch(readable)

    def samples(self, at_once: int) -> Iterator[list[_Sample]]:
        """All of them once, as stored, also those that cannot be read."""
        rows = iter(self.rows)
        with ThreadPoolExecutor(_THREADS) as pool:
            for start in count(0, at_once):
                if not (some := list(pool.map(self._read, islice(rows, at_once), count(start)))):
                    return
                yield some

    def batch(self, samples: Sequence[_Sample]) -> Batch:
        """Samples that could be read, as a record."""
        x = torch.from_numpy(np.stack([sample.x for sample in samples if sample.x is not None]))
        return Batch(
            x=x,
            source=torch.tensor([sample.number for sample in samples]),
            label=None if self.label is None else torch.tensor([sample.label for sample in samples]),
            valid=None if self.valid is None else self.valid(x),
        )

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

    def _read(self, row: dict, number: int) -> _Sample:
        label = None if self.label is None else row[self.label]
        label = -1 if label is None else label
        try:
            return _Sample(number, self.decode(row[self.column]), label)
        except Exception as error:  # decoders raise whatever they like; every reason is named and counted
            if passes(error):
                raise
            return _Sample(number, None, label, str(error) or type(error).__name__)

    def _until_readable(self, rows: Iterator[dict], numbers: Iterator[int]) -> list[tuple[dict, _Sample]]:
        """The rows that come next, up to one that can be read."""
        found: list[tuple[dict, _Sample]] = []
        for row in islice(rows, _LOOKED_FOR):
            found.append((row, self._read(row, next(numbers))))
            if found[-1][1].x is not None:
                return found
        first = found[0][1]
        raise ValueError(
            f"none of the next {_LOOKED_FOR} samples of the stream can be read, as sample {first.number} "
            f"({first.reason}): choose another column or another set"
        )


def _count(samples: Sequence[_Sample], tally: StreamTally) -> None:
    tally.add(len(samples), {sample.number: sample.reason for sample in samples if sample.x is None})


def _without_gaps(samples: Sequence[_Sample]) -> list[_Sample]:
    """In place of each that cannot be read the next one that can; after the last one comes the first."""
    following = next(sample for sample in samples if sample.x is not None)
    filled = []
    for sample in reversed(samples):
        following = following if sample.x is None else sample
        filled.append(following)
    return filled[::-1]


def in_memory(stream: HfStream) -> MemoryDataset:
    """All samples of a stream that can be read, to test on.

    Raises:
        ValueError: there are none, or too many cannot be read.
    """
    samples = [sample for some in stream.samples(256) for sample in some]
    if not samples:
        raise ValueError("the stream of the test part is empty: check split.test")
    unreadable = {place: sample.reason for place, sample in enumerate(samples) if sample.x is None}
    check_unreadable([f"sample {number}" for number in range(len(samples))], unreadable, stream.limit, "test sample")
    batch = stream.batch([sample for sample in samples if sample.x is not None])
    labels = batch.label
    if labels is not None and (unknown := int((labels < 0).sum())):
        warnings.warn(f"{unknown} of {len(labels)} test samples have no label: probes leave them out", stacklevel=3)
        labels = None if unknown == len(labels) else labels
    return MemoryDataset(batch.x, labels=labels, valid=batch.valid)
