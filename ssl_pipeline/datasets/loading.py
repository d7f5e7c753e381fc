"""Which samples a step sees: a pure function of seed, step and rank, so nothing about it need be saved."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Int64
from torch import Tensor
from torch.utils.data import DataLoader

from ssl_pipeline.datasets.data import Dataset, Stream
from ssl_pipeline.records import Batch
from ssl_pipeline.seeding import generator


def epoch_order(n: int, seed: int, epoch: int) -> Int64[Tensor, "N"]:
    """Order of the ``n`` samples in an epoch.

    >>> epoch_order(5, seed=0, epoch=1).sort().values
    tensor([0, 1, 2, 3, 4])
    """
    return torch.randperm(n, generator=generator("cpu", seed, "epoch", epoch))


def batch_indices(n: int, batch_size: int, seed: int, step: int, rank: int = 0, world: int = 1) -> Int64[Tensor, "B"]:
    """Samples of one rank in a global step; the incomplete batch that ends an epoch is dropped.

    Args:
        n: number of samples.
        batch_size: over all ranks.
        step: global step, counted from the start of training.

    >>> both = batch_indices(100, batch_size=8, seed=0, step=40)
    >>> torch.equal(both[4:], batch_indices(100, batch_size=8, seed=0, step=40, rank=1, world=2))
    True
    """
    epoch, step = divmod(step, n // batch_size)
    return _rank_part(epoch_order(n, seed, epoch), batch_size, step, rank, world)


def _rank_part(order: Tensor, batch_size: int, step: int, rank: int, world: int) -> Tensor:
    part = batch_size // world
    start = step * batch_size + rank * part
    return order[start : start + part].clone()  # a view would take the whole order along to a worker process


class StepSampler:
    """Index batches from the current step to the end of its epoch.

    Args:
        n: number of samples.
        batch_size: over all ranks.
        start: tells the global step, counted in batches, at which an iteration begins; asked each time.

    Raises:
        ValueError: ``batch_size`` is below 1, above ``n`` or no multiple of ``world``.

    >>> sampler = StepSampler(10, batch_size=4, seed=0, rank=0, world=1, start=lambda: 1)
    >>> len(sampler), len(list(sampler))
    (2, 1)
    """

    def __init__(
        self, n: int, batch_size: int, seed: int, rank: int = 0, world: int = 1, start: Callable[[], int] = lambda: 0
    ) -> None:
        _check_batch_size(batch_size, world)
        if batch_size > n:
            raise ValueError(
                f"batch_size={batch_size} is larger than the {n} training samples: take at most {n // world * world}"
            )
        self.n, self.batch_size, self.seed, self.rank, self.world = n, batch_size, seed, rank, world
        self.start = start

    def __len__(self) -> int:
        """Steps of a whole epoch, also where an iteration begins inside one."""
        return self.n // self.batch_size

    def __iter__(self) -> Iterator[Int64[Tensor, "B"]]:
        epoch, first = divmod(self.start(), len(self))
        order = epoch_order(self.n, self.seed, epoch)
        for step in range(first, len(self)):
            yield _rank_part(order, self.batch_size, step, self.rank, self.world)


def _check_batch_size(batch_size: int, world: int) -> None:
    if batch_size < 1:
        raise ValueError(f"expected batch_size to be at least 1, got {batch_size}")
    if batch_size % world:
        below = batch_size // world * world
        raise ValueError(
            f"batch_size={batch_size} counts all {world} processes and cannot be shared equally among them: "
            f"take {below or below + world} or another multiple of {world}"
        )


class _Steps:
    """Global steps without end: the sampler of a stream."""

    def __init__(self, start: Callable[[], int]) -> None:
        self.start = start

    def __iter__(self) -> Iterator[int]:
        step = self.start()
        while True:
            yield step
            step += 1


class _StreamByStep:
    """A stream asked by global step. Steps come in order, so only the first one, or a jump, opens the stream."""

    def __init__(self, stream: Stream, **kwargs: int) -> None:
        self.stream, self.kwargs = stream, kwargs
        self.next, self.batches = -1, iter(())

    def __getitem__(self, step: int) -> Batch:
        if step != self.next:
            self.batches = self.stream.batches(step=step, **self.kwargs)
        self.next = step + 1
        return next(self.batches)


def train_loader(
    dataset: Dataset | Stream,
    *,
    batch_size: int,
    seed: int,
    rank: int = 0,
    world: int = 1,
    start: Callable[[], int] = lambda: 0,
    workers: int = 0,
) -> DataLoader:
    """Shuffled batches of one rank; over a data set up to the end of the epoch, over a stream without end.

    Args:
        batch_size: over all ranks.
        start: tells the global step, counted in batches, at which an iteration begins; asked each time.
        workers: processes that read ahead; a stream has one reader at most, since it has one order.

    Raises:
        ValueError: a ``batch_size`` that does not fit the data or the ranks.
    """
    if isinstance(dataset, Stream):
        _check_batch_size(batch_size, world)
        workers = min(workers, 1)
        sampler = _Steps(start)
        dataset = _StreamByStep(dataset, batch_size=batch_size, seed=seed, rank=rank, world=world)  # pyright: ignore
    else:
        sampler = StepSampler(len(dataset), batch_size, seed, rank, world, start)
    return DataLoader(
        dataset,  # pyright: ignore[reportArgumentType]
        batch_size=None,
        sampler=sampler,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
    )


def sequential_batches(dataset: Dataset | Stream, batch_size: int, limit: int | None = None) -> Iterator[Batch]:
    """Samples in order, each once, the last batch as short as it comes.

    Args:
        batch_size: samples in a batch.
        limit: samples in all; None for all there are.
    """
    if isinstance(dataset, Stream):
        left = limit
        for batch in dataset.in_order(batch_size):
            if left is not None and left <= len(batch.x):
                yield batch._replace(**{k: v[:left] for k, v in batch._asdict().items() if v is not None})
                return
            left = None if left is None else left - len(batch.x)
            yield batch
        return
    for index in torch.arange(min(len(dataset), limit or len(dataset))).split(batch_size):
        yield dataset[index]
