"""Loaders as data."""

from __future__ import annotations

from itertools import islice

import pytest
import torch
from helpers.items import Made, value
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    WeightedRandomSampler,
)

from ssl_pipeline.data import Stream
from ssl_pipeline.data.in_python import python_data


class Ordered(IterableDataset):
    def __iter__(self):
        yield from ((torch.full((1, 4), number / 50), number % 3) for number in range(50))


def test_a_loader_gives_its_set_and_its_batch_size():
    made = Made(lambda n: (value(n), n % 3))
    found = python_data(DataLoader(made, batch_size=20, shuffle=True))
    assert (
        found.batch_size == 20 and found.description == "DataLoader of Made of 40 items" and len(found.data.train) == 36
    )
    doubled = python_data(DataLoader(made, 4, collate_fn=lambda items: 2 * torch.stack([x for x, _ in items])))
    batch = doubled.data.train[[0]]
    assert torch.equal(batch.x[0], 2 * value(int(batch.source[0])))


def test_a_loader_with_an_order_of_its_own_is_taken_as_it_is():
    stream = python_data(DataLoader(Ordered(), batch_size=7)).data.train
    assert isinstance(stream, Stream)
    whole = list(islice(stream.batches(20, seed=0, step=0, rank=0, world=1), 5))
    values = torch.cat([batch.x[:, 0, 0] for batch in whole])
    assert torch.equal(values, (torch.arange(100) % 50) / 50)  # and again from the beginning
    later = next(stream.batches(20, seed=0, step=3, rank=1, world=2))
    assert torch.equal(later.x, whole[3].x[10:]) and torch.equal(later.label, whole[3].label[10:])
    assert [len(batch.x) for batch in stream.in_order(20)] == [20, 20, 10]
    assert isinstance(python_data(Ordered()).data.train, Stream) and python_data(Ordered()).batch_size is None
    weighted = DataLoader(Made(value), 8, sampler=WeightedRandomSampler(torch.ones(40), 40))
    assert isinstance(python_data(weighted).data.train, Stream)
    with pytest.raises(ValueError, match="labels= belong to samples by number"):
        python_data(weighted, labels=[0] * 40)


def test_a_sampler_that_takes_a_part_has_an_order_of_its_own():
    made = Made(value)
    for sampler in (RandomSampler(made, num_samples=8), RandomSampler(made, replacement=True)):
        assert isinstance(python_data(DataLoader(made, 4, sampler=sampler)).data.train, Stream)
    assert not isinstance(python_data(DataLoader(made, 4, sampler=RandomSampler(made))).data.train, Stream)


def test_a_loader_that_deals_to_devices_is_refused():
    sampler = DistributedSampler(Made(value), num_replicas=2, rank=0)
    for options in ({"sampler": sampler, "batch_size": 4}, {"batch_sampler": BatchSampler(sampler, 4, False)}):
        with pytest.raises(ValueError, match="has a DistributedSampler, and a run deals samples to its devices itself"):
            python_data(DataLoader(Made(value), **options))


def test_what_can_be_read_once_is_refused():
    class Once(IterableDataset):
        def __init__(self):
            self.rows = (torch.rand(1, 4) for _ in range(200))

        def __iter__(self):
            return self.rows

    for once in (Once(), DataLoader(Once(), 4)):
        with pytest.raises(ValueError, match="Once can be read once, since its __iter__ returns the same iterator"):
            python_data(once)


def test_a_loader_that_gives_nothing_is_refused():
    class Nothing(IterableDataset):
        def __iter__(self):
            return iter(())

    with pytest.raises(ValueError, match="expected a loader of batches, got none"):
        python_data(Nothing())
