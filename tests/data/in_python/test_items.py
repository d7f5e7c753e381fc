"""Map-style data sets and their items as data."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.deep_images import wave
from helpers.items import Made, value
from PIL import Image
from torch.utils.data import (
    DataLoader,
    Subset,
    TensorDataset,
)

from ssl_pipeline.data.in_python import python_data
from ssl_pipeline.structures.batch import Batch

ITEMS = {
    "tensors": value,
    "arrays": lambda n: value(n).numpy(),
    "pairs": lambda n: (value(n), n % 3),
    "dictionaries": lambda n: {"pixel_values": value(n), "label": n % 3, "name": str(n)},
    "batches": lambda n: Batch(value(n), torch.tensor(n), torch.tensor(n % 3)),
}


@pytest.mark.parametrize("make", ITEMS.values(), ids=ITEMS)
def test_items_of_any_form_become_batches(make):
    found = python_data(Made(make), options={"split.holdout": 0})
    batch = found.data.train[torch.tensor([7, 3])]
    assert torch.equal(batch.x, torch.stack([value(7), value(3)])) and batch.source.tolist() == [7, 3]
    assert batch.label is None or batch.label.tolist() == [1, 0]
    assert (found.description, found.kind, found.data.grid.range) == ("Made of 40 items", "numbers", (0.0, 1.0))


def test_only_what_is_asked_for_is_read():
    made = Made(value, count=5000)
    data = python_data(made, options={"split.holdout": 0}).data
    assert len(set(made.asked)) <= 256
    made.asked.clear()
    data.train[[4000, 1]]
    assert made.asked == [4000, 1]


def test_a_batch_is_asked_for_at_once_where_that_can_be():
    class AtOnce(Made):
        def __getitems__(self, numbers):
            return [self.make(number) for number in numbers]

    made = AtOnce(value)
    python_data(made).data.train[[1, 2]]
    assert made.asked == [0]  # to see what an item is


def test_images_of_pil_become_squares():
    data = python_data(Made(lambda n: (Image.new("RGB", (20, 16), (6 * n, 0, 0)), n % 2))).data
    assert data.grid.shape == (16, 16) and data.grid.channels == 3 and data.codec.size == 16
    batch = data.train[[5]]
    assert batch.x.dtype == torch.uint8 and batch.x[0, 0, 0, 0] == 6 * batch.source[0]
    assert python_data(Made(lambda n: Image.new("L", (200, 100)))).data.grid.shape == (64, 64)
    assert python_data([Image.new("L", (9, 9))] * 20, options={"size": 8, "channels": 3}).data.grid.channels == 3


def test_labels_that_a_set_knows_are_those_of_its_classes():
    made = Made(lambda n: (value(n), n % 4))
    made.targets = [n % 4 for n in range(40)]
    data = python_data(made).data
    batch = data.train[[0, 1]]
    assert data.classes == ("0", "1", "2", "3") and torch.equal(batch.label, batch.source % 4)
    part = python_data(Subset(made, range(10, 30)), options={"split.holdout": 0}).data.train
    assert torch.equal(part.labels, torch.arange(10, 30) % 4)
    assert python_data(Made(value), labels=["a", "b"] * 20).data.classes == ("a", "b")


def test_labels_of_items_count_where_a_set_knows_others():
    made = Made(lambda n: (value(n), n % 2))  # as with a target_transform
    made.targets = [n % 4 for n in range(40)]
    data = python_data(made).data
    batch = data.train[[0, 1, 2]]
    assert data.classes is None and torch.equal(batch.label, batch.source % 2)


def test_symbols_need_to_be_counted():
    made = Made(lambda n: torch.tensor([n % 5, 1, 2]))
    with pytest.raises(ValueError, match=r"how many symbols there are: say it, options={'data.vocab': N}"):
        python_data(made)
    assert python_data(made, options={"vocab": 5}).data.grid.vocab == 6


def test_a_name_of_ones_own_for_the_samples():
    made = Made(lambda n: {"scan": value(n), "site": n % 2})
    assert python_data(made, options={"image": "scan", "label": "site"}).data.train[[0]].label is not None
    with pytest.raises(ValueError, match=r"items have no 'scam': set data.image to one of scan, site"):
        python_data(made, options={"image": "scam"})
    with pytest.raises(ValueError, match=r"expected samples under one of x, image.* got scan, site"):
        python_data(made)


def test_a_name_of_ones_own_for_the_labels_alone():
    made = Made(lambda n: {"x": value(n), "label": n % 2, "site": n % 3})
    assert python_data(made, options={"label": "site", "split.holdout": 0}).data.train[[2]].label.item() == 2
    assert python_data(made, options={"label": None}).data.train[[2]].label is None
    with pytest.raises(ValueError, match=r"items have no 'sight': set data.label to one of x, label, site"):
        python_data(made, options={"label": "sight"})
    stream = python_data(DataLoader(made, 4, sampler=range(40)), options={"label": "site"}).data.train
    assert next(stream.in_order(4)).label.tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize(
    ("items", "sentence"),
    [
        ([], "expected a data set with items, got list of length 0"),
        (["a.png"] * 9, "expected a tensor, a tuple that begins with one"),
        ([torch.zeros(1, 4, 4 + n) for n in range(9)], "items 0 to 8 cannot be stacked .*: give all the same shape"),
        ([torch.full((1, 4), torch.inf)] * 9, "expected finite samples"),
        ([value(1), value(2)], "2 sources cannot be split with split.holdout=0.9"),
    ],
    ids=["empty", "paths", "ragged", "infinite", "few"],
)
def test_items_that_cannot_be_learnt_from_are_refused(items, sentence):
    with pytest.raises(ValueError, match=sentence):
        python_data(items, options={"split.holdout": 0.9} if len(items) == 2 else {})


def test_tensors_in_a_set_are_taken_as_tensors():
    data = python_data(DataLoader(TensorDataset(torch.rand(40, 1, 8), torch.arange(40) % 2), 8)).data
    assert type(data.train.dataset).__name__ == "MemoryDataset" and data.classes == ("0", "1")
    assert python_data(TensorDataset(torch.rand(40, 1, 8), torch.rand(40))).data.classes is None


def test_a_table_of_pandas_says_how_it_becomes_an_array():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(ValueError, match=r"got DataFrame: pass data.to_numpy\(dtype='float64'\)"):
        python_data(pandas.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}))


def test_rows_of_hugging_face():
    datasets = pytest.importorskip("datasets")
    pictures = [Image.new("RGB", (12, 10), (n, 0, 0)) for n in range(30)]
    rows = datasets.Dataset.from_dict({"picture": pictures, "label": [n % 3 for n in range(30)]})
    data = python_data(rows).data
    batch = data.train[[4]]
    assert data.grid.shape == (10, 10) and data.classes == ("0", "1", "2") and batch.x[0, 0, 0, 0] == batch.source[0]
    both = python_data(datasets.DatasetDict(train=rows, test=rows.select(range(9))), options={"size": 8})
    assert len(both.data.test) == 9 and both.data.grid.shape == (8, 8) and "30 items" in both.description
    numbers = datasets.Dataset.from_dict({"x": np.zeros((20, 1, 8)).tolist()})
    assert python_data(numbers.with_format("torch")).data.grid.names == ("time",)
    with pytest.raises(ValueError, match="expected one column of images, got 0 among x: name it"):
        python_data(numbers)
    with pytest.raises(ValueError, match=r"there is no column 'pictures': set data.image to one of picture, label"):
        python_data(rows, options={"image": "pictures"})
    with pytest.raises(ValueError, match="expected a split 'train', got val: pass one of these alone"):
        python_data(datasets.DatasetDict(val=rows))


def test_deep_images_are_scaled_by_their_range():
    def part(scale):
        return [Image.fromarray((wave(n)[..., 0] * scale).astype(np.uint16)) for n in range(8)]

    found = python_data(part(4095), options={"split.holdout": 0, "size": 24}).data
    assert found.codec.range == (0, 4095) and found.grid == found.codec.grid
    x = found.train[[2, 3]].x
    np.testing.assert_allclose(x[1, 0], np.floor(wave(3)[..., 0] * 4095) / 4095, atol=1e-6)
    given = python_data(part(4095), options={"split.holdout": 0, "size": 24, "range": [0, 8190]}).data
    torch.testing.assert_close(given.train[[2, 3]].x, x / 2)
