"""Data sets in memory: parts, statistics, numbers."""

import numpy as np
import pytest
import torch

from ssl_pipeline.data import MemoryDataset, Subset, holdout, statistics
from ssl_pipeline.structures.batch import Column, as_float
from ssl_pipeline.structures.grid import GridSpec


def test_holdout_is_disjoint_complete_and_seeded():
    dataset = MemoryDataset(torch.zeros(100, 1, 2, 2), labels=torch.arange(100))
    train, test = holdout(dataset, 0.25, seed=1)
    assert (len(train), len(test)) == (75, 25)
    assert sorted([*train.labels.tolist(), *test.labels.tolist()]) == list(range(100))
    assert train[range(75)].source.tolist() == train.labels.tolist()
    assert holdout(dataset, 0.25, seed=1)[1].labels.tolist() == test.labels.tolist()
    assert holdout(dataset, 0.25, seed=2)[1].labels.tolist() != test.labels.tolist()
    assert holdout(dataset, 0) == (dataset, None)


def test_a_class_that_chance_left_out_is_held_out_too():
    label = torch.tensor([0] * 190 + [1] * 10)
    for seed in range(20):
        train, test = holdout(MemoryDataset(torch.zeros(200, 1, 2, 2), label), 0.1, seed)
        assert 1 in test.labels and 1 in train.labels and len(test) == 20
    few = torch.tensor([0] * 197 + [1] * 3)  # a tenth of three is none
    tests = [holdout(MemoryDataset(torch.zeros(200, 1, 2, 2), few), 0.1, seed)[1] for seed in range(20)]
    assert all(len(test) == 20 for test in tests) and any(1 not in test.labels for test in tests)


@pytest.mark.parametrize(
    ("n", "fraction", "words"), [(10, 1.0, "from 0 up to"), (10, -0.1, "from 0"), (1, 0.1, "cannot be split")]
)
def test_holdout_refuses(n, fraction, words):
    with pytest.raises(ValueError, match=words):
        holdout(MemoryDataset(torch.zeros(n, 1)), fraction)


def test_subset_of_a_subset():
    dataset = MemoryDataset(torch.arange(10), labels=torch.arange(10) * 2)
    inner = Subset(Subset(dataset, [9, 7, 5, 3]), torch.tensor([3, 0]))
    assert inner.labels.tolist() == inner[[0, 1]].label.tolist() == [6, 18]
    assert inner[[1]].source.tolist() == [9]


def test_memory_dataset_takes_any_modality():
    text = MemoryDataset(torch.arange(12).view(3, 4), source=torch.tensor([7, 7, 8]), valid=torch.ones(3, 4).bool())
    batch = text[[2, 0]]
    assert batch.x.tolist() == [[8, 9, 10, 11], [0, 1, 2, 3]]
    assert batch.source.tolist() == [8, 7] and batch.valid.shape == (2, 4) and batch.label is None
    with pytest.raises(ValueError, match="labels for each of the 3 samples, got 2"):
        MemoryDataset(torch.zeros(3, 4), labels=torch.zeros(2).long())


def test_statistics_follow_the_grid():
    pixels = np.random.default_rng(0).integers(0, 256, (300, 3, 4, 5), dtype=np.uint8)
    pixels[:, 2] = 51
    grid = GridSpec.of(("y", 4), ("x", 5), channels=3, range=(-1.0, 1.0))
    mean, std = statistics(MemoryDataset(torch.from_numpy(pixels)), grid)
    floats = pixels / 255 * 2 - 1
    assert mean.dtype == torch.float32
    np.testing.assert_allclose(mean, floats.mean((0, 2, 3)), atol=1e-6)
    np.testing.assert_allclose(std[:2], floats.std((0, 2, 3))[:2], atol=1e-6)
    assert std[2] == pytest.approx(1e-3)


def test_statistics_read_no_more_than_the_limit_and_from_everywhere():
    x = torch.arange(1000).float().view(1000, 1, 1)
    mean, _ = statistics(MemoryDataset(x), GridSpec.of(("t", 1), channels=1), limit=11)
    assert mean.item() == pytest.approx(499.5, abs=1)


def test_statistics_leave_padding_out():
    x, valid = torch.tensor([[[1.0, 3.0, 99.0]]]), torch.tensor([[True, True, False]])
    mean, std = statistics(MemoryDataset(x, valid=valid), GridSpec.of(("t", 3), channels=1))
    assert (mean.item(), std.item()) == (2, 1)


def test_statistics_of_symbols_are_refused():
    with pytest.raises(ValueError, match="vocabulary of 9"):
        statistics(MemoryDataset(torch.zeros(2, 3).long()), GridSpec.of(("i", 3), vocab=9))


def test_as_float_leaves_symbols_and_floats():
    x = torch.tensor([[1, 2]])
    assert as_float(x, GridSpec.of(("i", 2), vocab=9)) is x
    wave = torch.randn(2, 1, 8, dtype=torch.float64)
    assert torch.equal(as_float(wave, GridSpec.of(("t", 8), channels=1, range=(-1.0, 1.0))), wave.float())
    bytes_ = torch.tensor([[0, 128, 255]], dtype=torch.uint8)
    assert as_float(bytes_, GridSpec.of(("t", 1), channels=3)).tolist() == [[0, pytest.approx(128 / 255), 1]]
    assert bytes_.tolist() == [[0, 128, 255]]


def test_columns_stay_with_their_samples():
    data = MemoryDataset(torch.arange(4).view(4, 1, 1), columns={"more": Column(torch.arange(4) * 10)})
    batch = data[[3, 1]]
    assert batch.columns["more"].x.tolist() == [30, 10]
    assert batch.first(1).columns["more"].x.tolist() == [30]
    with pytest.raises(ValueError, match="column more"):
        MemoryDataset(torch.zeros(3, 1), columns={"more": Column(torch.zeros(2))})
