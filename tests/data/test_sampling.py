import pickle

import pytest
import torch

from ssl_pipeline.data.base import Subset
from ssl_pipeline.data.memory import MemoryDataset
from ssl_pipeline.data.sampling import (
    EpochOrder,
    StepSampler,
    batch_indices,
    epoch_order,
    grouped_order,
    sequential_batches,
    train_loader,
)
from ssl_pipeline.structures.batch import Batch

N = 53


@pytest.fixture
def dataset():
    return MemoryDataset(torch.arange(N, dtype=torch.uint8).view(N, 1, 1, 1), labels=torch.arange(N) % 3)


def plain(n, seed=0):
    return EpochOrder(torch.arange(n), seed)


def sources(loader):
    return [batch.source.tolist() for batch in loader]


def test_order_is_a_permutation_that_changes_with_seed_and_epoch():
    order = epoch_order(N, seed=1, epoch=2)
    assert order.sort().values.tolist() == list(range(N))
    assert order.tolist() == epoch_order(N, 1, 2).tolist()
    assert order.tolist() != epoch_order(N, 1, 3).tolist()
    assert order.tolist() != epoch_order(N, 2, 2).tolist()
    assert order.tolist() != epoch_order(N, 2, 1).tolist()


def test_every_sample_at_most_once_an_epoch():
    steps = N // 8
    seen = torch.cat([batch_indices(plain(N), 8, step) for step in range(steps, 2 * steps)]).tolist()
    assert len(seen) == len(set(seen)) == steps * 8


def test_every_sample_exactly_once_where_the_batches_fit():
    seen = torch.cat([batch_indices(plain(48), 8, step) for step in range(6, 12)])
    assert seen.sort().values.tolist() == list(range(48))


@pytest.mark.parametrize("world", [2, 4])
def test_ranks_share_the_batch_of_one(world):
    whole = batch_indices(plain(N, 3), 8, 17)
    parts = [batch_indices(plain(N, 3), 8, 17, rank, world) for rank in range(world)]
    assert torch.equal(torch.cat(parts), whole)


@pytest.mark.parametrize("start", [0, 4, 6, 7, 13])
def test_sampler_goes_from_any_step_to_the_end_of_its_epoch(start):
    sampler = StepSampler(plain(N), 8, rank=1, world=2, start=lambda: start)
    assert len(sampler) == 6
    until = (start // 6 + 1) * 6
    expected = [batch_indices(plain(N), 8, step, 1, 2).tolist() for step in range(start, until)]
    assert [index.tolist() for index in sampler] == expected


def test_sampler_asks_for_the_step_at_each_iteration(dataset):
    step = 0
    loader = train_loader(dataset, batch_size=8, seed=0, start=lambda: step)
    first = sources(loader)
    step = 6
    second = sources(loader)
    step = 3
    assert sources(loader) == first[3:]
    assert len(loader) == len(first) == len(second) == 6
    assert first != second


def test_loader_delivers_what_the_dataset_holds(dataset):
    batch = next(iter(train_loader(dataset, batch_size=8, seed=0)))
    assert isinstance(batch, Batch)
    assert batch.x.dtype == torch.uint8 and batch.x.shape == (8, 1, 1, 1)
    assert batch.x.flatten().tolist() == batch.source.tolist() == batch_indices(plain(N), 8, 0).tolist()
    assert batch.label.tolist() == [source % 3 for source in batch.source.tolist()]


def test_workers_change_nothing(dataset):
    step = 2
    loader = train_loader(dataset, batch_size=8, seed=0, workers=2, start=lambda: step)
    here = train_loader(dataset, batch_size=8, seed=0, start=lambda: step)
    assert sources(loader) == sources(here)
    step = 9  # the workers live on
    assert sources(loader) == sources(here)


@pytest.mark.parametrize(
    ("batch_size", "world", "words"),
    [
        (4096, 1, "batch_size=4096 is larger than the 53 training samples: take at most 53"),
        (64, 4, "take at most 52"),
        (7, 2, "take 6 or another multiple of 2"),
        (1, 2, "take 2 or another multiple of 2"),
        (0, 1, "at least 1, got 0"),
        (-8, 2, "at least 1, got -8"),
    ],
)
def test_batch_size_must_fit(dataset, batch_size, world, words):
    with pytest.raises(ValueError, match=words):
        train_loader(dataset, batch_size=batch_size, seed=0, world=world)


def test_an_index_travels_to_a_worker_without_the_whole_order():
    index = next(iter(StepSampler(plain(100_000), 8)))
    assert len(pickle.dumps(index)) < 2000


class Counting:
    """A stream whose samples are their numbers."""

    def batches(self, batch_size, seed, step, rank, world):
        part = batch_size // world
        while True:
            source = step * batch_size + rank * part + torch.arange(part)
            yield Batch(x=source.view(-1, 1), source=source)
            step += 1

    def in_order(self, batch_size):
        for source in torch.arange(10).split(batch_size):
            yield Batch(x=source.view(-1, 1), source=source)


@pytest.mark.parametrize("workers", [0, 2])
def test_stream_begins_at_the_step_and_goes_on(workers):
    step = 3
    loader = train_loader(Counting(), batch_size=4, seed=0, rank=1, world=2, start=lambda: step, workers=workers)
    batches = iter(loader)
    assert [next(batches).source.tolist() for _ in range(3)] == [[14, 15], [18, 19], [22, 23]]
    step = 10
    assert next(iter(loader)).source.tolist() == [42, 43]
    with pytest.raises(TypeError):
        len(loader)


def test_sequential_batches_read_all_once(dataset):
    batches = list(sequential_batches(Subset(dataset, [5, 3, 50]), 2))
    assert [batch.source.tolist() for batch in batches] == [[5, 3], [50]]
    assert torch.cat([b.source for b in sequential_batches(dataset, 10)]).tolist() == list(range(N))


def test_a_stream_in_order_ends_where_it_should():
    assert [b.source.tolist() for b in sequential_batches(Counting(), 4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert [b.source.tolist() for b in sequential_batches(Counting(), 4, 6)] == [[0, 1, 2, 3], [4, 5]]
    assert [b.source.tolist() for b in sequential_batches(Counting(), 4, 8)] == [[0, 1, 2, 3], [4, 5, 6, 7]]


UNEVEN = torch.tensor([3] * 7 + [9] * 2 + [1] + [4] * 5)


@pytest.mark.parametrize("members", [2, 3, 4])
def test_members_of_a_source_stand_together(members):
    order = grouped_order(UNEVEN, members, seed=0, epoch=1)
    runs = UNEVEN[order].view(-1, members)
    assert (runs == runs[:, :1]).all()
    assert set(order.tolist()) == set(range(len(UNEVEN)))
    assert len(order) == members * sum(-(-n // members) for n in (7, 2, 1, 5))
    assert len(set(order[UNEVEN[order] == 3].tolist())) == 7
    again, other = grouped_order(UNEVEN, members, 0, 1), grouped_order(UNEVEN, members, 0, 2)
    assert torch.equal(order, again) and not torch.equal(order, other)


def test_loader_by_source_is_shared_by_ranks_and_resumes():
    data = MemoryDataset(torch.zeros(60, 1, 1, 1, dtype=torch.uint8), source=torch.arange(60) % 12)
    whole = sources(train_loader(data, batch_size=12, seed=1, members=3))
    assert len(whole) == 6  # 24 groups of three; what lacks a member has one twice
    halves = [sources(train_loader(data, batch_size=12, seed=1, members=3, rank=r, world=2)) for r in (0, 1)]
    assert [a + b for a, b in zip(*halves, strict=True)] == whole
    assert sources(train_loader(data, batch_size=12, seed=1, members=3, start=lambda: 2)) == whole[2:]
    for batch in whole:
        assert all(batch[i] == batch[i + 1] == batch[i + 2] for i in range(0, 12, 3))


def test_members_must_fit():
    data = MemoryDataset(torch.zeros(60, 1, 1, 1, dtype=torch.uint8))
    with pytest.raises(ValueError, match="no multiple of members_per_source=4"):
        train_loader(data, batch_size=12, seed=0, members=4, world=2)
    with pytest.raises(ValueError, match="expected at least 1"):
        train_loader(data, batch_size=12, seed=0, members=0)
    with pytest.raises(ValueError, match="a stream comes in its own order"):
        train_loader(Counting(), batch_size=4, seed=0, members=2)
