"""What a data set is to the engine: a grid, a training part, a held-out part and the names of the classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from ssl_pipeline.data.codecs.base import Codec
from ssl_pipeline.structures.batch import Batch, as_float
from ssl_pipeline.structures.data_spec import ColumnInfo, DataSpec
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.structures.random import generator

Index = Sequence[int] | Tensor


@runtime_checkable
class Dataset(Protocol):
    """Map style: whole batches by index, on the CPU. Images are uint8 ``(B, C, H, W)``."""

    @property
    def labels(self) -> Tensor | None:
        """``(N,)`` int64, known without reading samples; None where the set is unlabelled."""

    @property
    def sources(self) -> Tensor:
        """``(N,)`` int64, known without reading samples: what each sample was taken from."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: Index) -> Batch: ...


@runtime_checkable
class Stream(Protocol):
    """A set that can only be read in order, without end; its position is a function of the arguments."""

    def batches(self, batch_size: int, seed: int, step: int, rank: int, world: int) -> Iterator[Batch]:
        """This rank's ``batch_size // world`` samples of each global step, from ``step`` on."""
        ...

    def in_order(self, batch_size: int) -> Iterator[Batch]:
        """Each sample once, as stored."""
        ...


@dataclass(frozen=True)
class ColumnSpec:
    """What else a data set tells of each sample.

    Args:
        grid: what it lives on; one equal to that of the samples is encoded by the same encoder.
        codec: from raw things to that grid and back, where there is one.
        steps: how many of them follow each other in a sample, ``Column.x`` being (B, steps, ...); None: it is one.
    """

    grid: GridSpec
    codec: Codec | None = None
    steps: int | None = None


Classes = tuple[str, ...] | None
"""Names of the labels 0, 1, …; None of unlabelled samples."""


@dataclass(frozen=True)
class Data:
    """One data set.

    Args:
        grid: what the samples live on; uint8 samples are brought into its range on the device (``as_float``).
        train: samples to learn from.
        test: held-out samples; None where there are none.
        classes: names of the labels 0, 1, …; None for an unlabelled set.
        name: how reports call it.
        codec: from raw things (texts, waveforms) to the grid and back; None where samples are raw things.
        baseline: fixed features ``(B, F)`` of a batch that stand for the raw input in tables; None: the input itself.
        columns: what else ``Batch.columns`` holds, by name.
        clean: training samples without junk, from which probes learn; None: there is no junk.
        junk: which training samples are junk, (N,) bool, for reports alone; None: nobody knows.
        read_with: the same samples through the codec of a trained model; None: its own codec is the only one.
    """

    grid: GridSpec
    train: Dataset | Stream
    test: Dataset | None
    classes: tuple[str, ...] | None
    name: str
    codec: Codec | None = None
    baseline: Callable[[Batch], Tensor] | None = None
    columns: Mapping[str, ColumnSpec] = field(default_factory=dict)
    clean: Dataset | None = None
    junk: Tensor | None = None
    read_with: Callable[[Codec], Data] | None = None

    @property
    def held_out(self) -> Dataset | Stream:
        """The test samples; those of training where there are no others."""
        return self.train if self.test is None else self.test

    @property
    def layout(self) -> DataSpec:
        """What a graph must know of it, but for the statistics of its values."""
        columns = {name: ColumnInfo(column.grid, column.steps) for name, column in self.columns.items()}
        return DataSpec(self.grid, columns)

    def with_codec(self, codec: Codec | None) -> Data:
        """The same samples as a trained model reads them, where its codec matters.

        Raises:
            ValueError: other columns than those that it learnt from.
        """
        return self if codec is None or self.read_with is None else self.read_with(codec)

    @property
    def known(self) -> Dataset | Stream:
        """Training samples whose labels probes learn from: those that are no junk."""
        return self.train if self.clean is None else self.clean


class Subset:
    """Samples of ``dataset`` at ``indices``; their sources stay those of ``dataset``."""

    def __init__(self, dataset: Dataset, indices: Index) -> None:
        self.dataset = dataset
        self.indices = torch.as_tensor(indices, dtype=torch.int64)
        self.labels = None if dataset.labels is None else dataset.labels[self.indices]
        self.sources = dataset.sources[self.indices]
        self.paths = getattr(dataset, "paths", None)  # of its sources
        files = getattr(dataset, "files", None)  # of its samples
        self.files = None if files is None else [files[i] for i in self.indices.tolist()]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Index) -> Batch:
        return self.dataset[self.indices[torch.as_tensor(index, dtype=torch.int64)]]


def holdout(dataset: Dataset, fraction: float | int = 0.1, seed: int = 0) -> tuple[Dataset, Dataset | None]:
    """Set a seeded random ``fraction`` of the sources aside: ``(train, test)``; 0 sets nothing aside.

    All samples of a source lie on the same side. A class of so many sources that the fraction of them is one or more
    has one aside in any case.

    Raises:
        ValueError: ``fraction`` outside [0, 1) or one of the parts empty.

    >>> from ssl_pipeline.data.memory import MemoryDataset
    >>> train, test = holdout(MemoryDataset(torch.zeros(50, 1, 8, 8)), fraction=0.2)
    >>> len(train), len(test)
    (40, 10)
    """
    check_fraction(fraction)
    if fraction == 0:
        return dataset, None
    aside = held_out(dataset.sources, fraction, seed)
    if dataset.labels is not None:
        aside = _with_every_class(aside, dataset.sources, dataset.labels, fraction, seed)
    # In order, so that a set on disk is read in order.
    return Subset(dataset, (~aside).nonzero().flatten()), Subset(dataset, aside.nonzero().flatten())


def _with_every_class(
    aside: Bool[Tensor, "N"], sources: Int64[Tensor, "N"], labels: Int64[Tensor, "N"], fraction: float | int, seed: int
) -> Bool[Tensor, "N"]:
    """With a source of each class that chance has left out, in place of one of another class that has several there."""
    left_out = set(labels[labels >= 0].tolist()) - set(labels[aside].tolist())
    for label in sorted(left_out):
        mine = sources[labels == label].unique()
        if len(mine) > 1 and len(mine) * fraction > 1 - 1e-9:
            aside = aside | (sources == mine[seed % len(mine)])
            known = labels[aside].unique()
            smaller = (aside & (sources != one) for one in sources[aside].unique())
            aside = next((rest for rest in smaller if len(labels[rest].unique()) == len(known)), aside)
    return aside


def check_fraction(fraction: float | int) -> None:
    """Refuse what is no fraction to set aside.

    Raises:
        ValueError: outside [0, 1).
    """
    if not 0 <= fraction < 1:
        raise ValueError(f"expected a held-out fraction from 0 up to, not including, 1, got {fraction}")


def held_out(sources: Int64[Tensor, "N"], fraction: float | int, seed: int) -> Bool[Tensor, "N"]:
    """Which samples are set aside: all those of a seeded random ``fraction`` of the sources, one at least.

    Raises:
        ValueError: nothing would be left.

    >>> held_out(torch.tensor([7, 7, 3, 3]), 0.5, seed=0)
    tensor([ True,  True, False, False])
    """
    source = sources.unique(return_inverse=True)[1]
    n = int(source.max()) + 1
    held = max(1, round(n * fraction))
    if held >= n:
        raise ValueError(f"{n} sources cannot be split with split.holdout={fraction}: add some or set split.holdout=0")
    aside = torch.zeros(n, dtype=torch.bool)
    aside[torch.randperm(n, generator=generator("cpu", seed, "holdout"))[:held]] = True
    return aside[source]


STATISTICS_SAMPLES = 2048
"""Samples that are looked at to learn the scale of a data set that is read piece by piece."""


def statistics(
    dataset: Dataset | Stream, grid: GridSpec, column: str | None = None, limit: int = STATISTICS_SAMPLES
) -> tuple[Float[Tensor, "C"], Float[Tensor, "C"]]:
    """Mean and standard deviation (at least 1e-3) of each channel, in the grid's range.

    Args:
        dataset: ``limit`` samples spread evenly over it are read, or the first ``limit`` of a stream.
        grid: a continuous grid.
        column: of the samples that lies on this grid; None: the samples themselves.

    Raises:
        ValueError: the grid is discrete.

    >>> from ssl_pipeline.data.memory import MemoryDataset
    >>> x = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)
    >>> mean, std = statistics(MemoryDataset(x), GridSpec.of(("y", 1), ("x", 1), channels=1))
    >>> mean.item(), std.item()
    (0.5, 0.5)
    """
    if grid.discrete:
        raise ValueError(f"expected a continuous grid to take statistics of, got a vocabulary of {grid.vocab} symbols")
    count, total, squares = 0.0, torch.zeros(1), torch.zeros(1)
    for batch in spread_batches(dataset, limit):
        part = batch if column is None else batch.columns[column]
        x = as_float(part.x, grid).double().movedim(-1 - grid.ndim, -1)  # (B, *grid, C)
        cells = x.flatten(0, -2) if part.valid is None else x[part.valid]
        count += len(cells)
        total = total + cells.sum(0)
        squares = squares + cells.square().sum(0)
    mean = total / count
    std = (squares / count - mean.square()).clamp_min(0).sqrt()
    return mean.float(), std.clamp_min(1e-3).float()


def spread_batches(dataset: Dataset | Stream, limit: int, chunk: int = 256) -> Iterator[Batch]:
    """Up to ``limit`` samples that are spread evenly over a data set, or the first of a stream."""
    if isinstance(dataset, Stream):
        chunk = min(chunk, limit)
        yield from islice(dataset.batches(chunk, seed=0, step=0, rank=0, world=1), max(1, limit // chunk))
        return
    n = len(dataset)
    for index in torch.linspace(0, n - 1, min(n, limit), dtype=torch.float64).round().long().split(chunk):
        yield dataset[index]
