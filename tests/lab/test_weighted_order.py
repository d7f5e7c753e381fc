"""Orders in which samples come as often as their weights say."""

from __future__ import annotations

import pytest
import torch

from ssl_pipeline.data import EpochOrder, MemoryDataset, train_loader
from ssl_pipeline.lab.curation import WeightedOrder, weighted_order

N = 200


# Draws


def test_samples_come_as_often_as_their_weights_say():
    weights = torch.rand(N, generator=torch.Generator().manual_seed(0)) * 3
    share = weights.double() * N / weights.double().sum()
    counts = torch.stack([weighted_order(weights, 0, epoch).bincount(minlength=N) for epoch in range(400)])
    assert (counts.sum(1) == N).all()
    assert (counts - share).abs().max() < 1  # systematic: the share, rounded up or down
    assert (counts.double().mean(0) - share).abs().max() < 0.1


def test_equal_weights_draw_every_sample_once():
    order = weighted_order(torch.full((N,), 0.7), seed=3, epoch=5)
    assert order.sort().values.tolist() == list(range(N))


def test_an_order_is_a_function_of_seed_epoch_and_weights():
    weights = torch.rand(N, generator=torch.Generator().manual_seed(0))
    again = weighted_order(weights.clone(), 1, 2)
    assert torch.equal(weighted_order(weights, 1, 2), again)
    for other in (weighted_order(weights, 1, 3), weighted_order(weights, 2, 2), weighted_order(weights.flip(0), 1, 2)):
        assert not torch.equal(other, again)


def test_without_weights_the_order_is_that_of_every_run():
    sources = torch.arange(N)
    weighted = WeightedOrder(sources, seed=4)
    assert torch.equal(weighted(3), EpochOrder(sources, seed=4)(3))
    weighted.weights = torch.rand(N)
    assert not torch.equal(weighted(3), EpochOrder(sources, seed=4)(3))


def test_ranks_share_a_weighted_order_and_workers_change_nothing():
    data = MemoryDataset(torch.zeros(N, 1, 1, 1, dtype=torch.uint8))
    order = WeightedOrder(data.sources, seed=0)
    order.weights = torch.rand(N, generator=torch.Generator().manual_seed(1)) ** 3

    def drawn(**options):
        return [b.source.tolist() for b in train_loader(data, batch_size=20, seed=0, order=order, **options)]

    whole = drawn()
    halves = [drawn(rank=rank, world=2, workers=1) for rank in range(2)]
    assert [a + b for a, b in zip(*halves, strict=True)] == whole
    assert drawn(start=lambda: 3) == whole[3:]
    assert len({i for batch in whole for i in batch}) < N


@pytest.mark.parametrize("weights", [torch.tensor([1.0, -1.0]), torch.zeros(2), torch.tensor([1.0, torch.nan])])
def test_weights_that_are_none_are_refused(weights):
    with pytest.raises(ValueError, match="check the scores"):
        weighted_order(weights, 0, 0)
