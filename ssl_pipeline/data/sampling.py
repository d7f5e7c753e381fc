"""Which samples a step sees: a pure function of seed, step and rank.

So a checkpoint holds nothing of it, as it would with torchdata's StatefulDataLoader, and any rank can compute any step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Int64
from torch import Tensor
from torch.utils.data import DataLoader

from ssl_pipeline.data.base import Dataset, Stream
from ssl_pipeline.data.stream_steps import EndlessSteps, StreamByStep
from ssl_pipeline.structures.batch import Batch
from ssl_pipeline.structures.random import generator


def epoch_order(n: int, seed: int, epoch: int) -> Int64[Tensor, "N"]:
    """Order of the ``n`` samples in an epoch.

    >>> epoch_order(5, seed=0, epoch=1).sort().values
    tensor([0, 1, 2, 3, 4])
    """
    return torch.randperm(n, generator=generator("cpu", seed, "epoch", epoch))


def grouped_order(sources: Int64[Tensor, "N"], members: int, seed: int, epoch: int) -> Int64[Tensor, "M"]:
    """Order of an epoch in which each run of ``members`` samples comes from one source.

    Every sample comes at least once; the last run of a source is filled with its first samples again, so that an
    epoch has the same length each time.

    >>> sources = torch.tensor([7, 7, 7, 5])
    >>> sources[grouped_order(sources, members=2, seed=0, epoch=0)].view(-1, 2).sort(dim=0).values
    tensor([[5, 5],
            [7, 7],
            [7, 7]])
    """
    order = epoch_order(len(sources), seed, epoch)
    _, which, count = sources[order].unique(return_inverse=True, return_counts=True)
    order = order[which.argsort(stable=True)]  # source by source, random within each
    first = count.cumsum(0) - count
    runs = count.add(members - 1).div(members, rounding_mode="floor")
    source_of_run = torch.arange(len(count)).repeat_interleave(runs)
    number = torch.arange(len(source_of_run)) - (runs.cumsum(0) - runs)[source_of_run]
    inside = (number.unsqueeze(1) * members + torch.arange(members)) % count[source_of_run].unsqueeze(1)
    shuffled = torch.randperm(len(source_of_run), generator=generator("cpu", seed, "runs", epoch))
    return order[first[source_of_run].unsqueeze(1) + inside][shuffled].flatten()


class EpochOrder:
    """Samples of each epoch, in order: all of them shuffled, or ``members`` of a source at a time.

    Args:
        sources: what each sample was taken from.
        members: samples of a source that follow each other.
        seed: of the order.

    Raises:
        ValueError: ``members`` below 1.
    """

    def __init__(self, sources: Int64[Tensor, "N"], seed: int, members: int = 1) -> None:
        if members < 1:
            raise ValueError(f"members_per_source={members}: expected at least 1")
        self.sources, self.seed, self.members = sources, seed, members
        self.length = len(sources) if members == 1 else len(self(0))

    def __len__(self) -> int:
        return self.length

    def __call__(self, epoch: int) -> Int64[Tensor, "M"]:
        """Indices of the samples."""
        if self.members == 1:
            return epoch_order(len(self.sources), self.seed, epoch)
        return grouped_order(self.sources, self.members, self.seed, epoch)


def batch_indices(order: EpochOrder, batch_size: int, step: int, rank: int = 0, world: int = 1) -> Int64[Tensor, "B"]:
    """Samples of one rank in a global step; the incomplete batch that ends an epoch is dropped.

    Args:
        order: of each epoch.
        batch_size: over all ranks.
        step: global step, counted from the start of training.

    >>> order = EpochOrder(torch.arange(100), seed=0)
    >>> both = batch_indices(order, batch_size=8, step=40)
    >>> torch.equal(both[4:], batch_indices(order, batch_size=8, step=40, rank=1, world=2))
    True
    """
    epoch, step = divmod(step, len(order) // batch_size)
    return _rank_part(order(epoch), batch_size, step, rank, world)


def _rank_part(order: Tensor, batch_size: int, step: int, rank: int, world: int) -> Tensor:
    part = batch_size // world
    start = step * batch_size + rank * part
    return order[start : start + part].clone()  # a view would take the whole order along to a worker process


class StepSampler:
    """Indices of micro-batches from the current step to the end of its epoch.

    Args:
        order: of each epoch.
        batch_size: over all ranks.
        start: tells the global step at which an iteration begins; asked each time.
        parts: micro-batches into which each step's batch of a rank is split.

    Raises:
        ValueError: ``batch_size`` is below 1, above the number of samples, or a micro-batch of a rank is no multiple of
            the members of a source that stay together.

    >>> sampler = StepSampler(EpochOrder(torch.arange(10), seed=0), batch_size=4, start=lambda: 1)
    >>> len(sampler), len(list(sampler))
    (2, 1)
    """

    def __init__(
        self,
        order: EpochOrder,
        batch_size: int,
        rank: int = 0,
        world: int = 1,
        start: Callable[[], int] = lambda: 0,
        parts: int = 1,
    ) -> None:
        _check_batch_size(batch_size, world, parts)
        n, members = len(order), order.members
        if batch_size > n:
            raise ValueError(
                f"batch_size={batch_size} is larger than the {n} training samples: take at most {n // world * world}"
            )
        if (share := batch_size // (world * parts)) % members:
            raise ValueError(
                f"each of the {world} processes takes {share} samples of a batch{_at_a_time(parts)}, which is no "
                f"multiple of members_per_source={members}: change one of the two"
            )
        self.order, self.batch_size, self.rank, self.world = order, batch_size, rank, world
        self.start, self.parts = start, parts

    def __len__(self) -> int:
        """Micro-batches of a whole epoch, also where an iteration begins inside one."""
        return len(self.order) // self.batch_size * self.parts

    def __iter__(self) -> Iterator[Int64[Tensor, "B"]]:
        steps = len(self.order) // self.batch_size
        epoch, first = divmod(self.start(), steps)
        order = self.order(epoch)
        for step in range(first, steps):
            yield from _rank_part(order, self.batch_size, step, self.rank, self.world).chunk(self.parts)


def _check_batch_size(batch_size: int, world: int, parts: int) -> None:
    if batch_size < 1:
        raise ValueError(f"expected batch_size to be at least 1, got {batch_size}")
    if batch_size % (world * parts):
        below = batch_size // (world * parts) * world * parts
        micro = f" and their {parts} micro-batches" if parts > 1 else ""
        raise ValueError(
            f"batch_size={batch_size} counts all {world} processes{micro} and cannot be shared equally among them: "
            f"take {below or world * parts} or another multiple of {world * parts}"
        )


def _at_a_time(parts: int) -> str:
    return f" at a time (trainer.accumulate_grad_batches={parts})" if parts > 1 else ""


def train_loader(
    dataset: Dataset | Stream,
    *,
    batch_size: int,
    seed: int,
    rank: int = 0,
    world: int = 1,
    start: Callable[[], int] = lambda: 0,
    workers: int = 0,
    members: int = 1,
    order: EpochOrder | None = None,
    parts: int = 1,
) -> DataLoader:
    """Shuffled batches of one rank; over a data set up to the end of the epoch, over a stream without end.

    Args:
        batch_size: of a step, over all ranks.
        start: tells the global step at which an iteration begins; asked each time.
        workers: processes that read ahead; a stream has one reader at most, since it has one order.
        members: samples of a source that stand together in a batch; not of a stream.
        order: of each epoch, in place of that which ``seed`` and ``members`` give; not of a stream.
        parts: micro-batches of equal size into which the rank's batch of each step is split, in order.

    Raises:
        ValueError: a ``batch_size`` that does not fit the data or the ranks; members of the sources of a stream, or an
            order for one.
    """
    if isinstance(dataset, Stream):
        _check_batch_size(batch_size, world, parts)
        if members > 1:
            raise ValueError(f"members_per_source={members}: a stream comes in its own order; set it to 1")
        if order is not None:
            raise ValueError("an order was given, and a stream comes in its own: take another set, or order=None")
        workers = min(workers, 1)
        sampler = EndlessSteps(start, parts)
        dataset = StreamByStep(dataset, parts, batch_size=batch_size, seed=seed, rank=rank, world=world)  # pyright: ignore
    else:
        order = order or EpochOrder(dataset.sources, seed, members)
        sampler = StepSampler(order, batch_size, rank, world, start, parts)
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
                yield batch.first(left)
                return
            left = None if left is None else left - len(batch.x)
            yield batch
        return
    for index in torch.arange(min(len(dataset), limit or len(dataset))).split(batch_size):
        yield dataset[index]
