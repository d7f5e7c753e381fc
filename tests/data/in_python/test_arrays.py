"""Tensors and arrays as data."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from ssl_pipeline.data import TableCodec, statistics
from ssl_pipeline.data.in_python import python_data

RNG = np.random.default_rng(0)


def whole(data):
    return torch.cat([part[torch.arange(len(part))].x for part in (data.train, data.test)])


@pytest.mark.parametrize(
    ("x", "kind", "names", "what"),
    [
        (torch.rand(40, 3, 8, 8), "numbers", ("y", "x"), "tensor (40, 3, 8, 8)"),
        (RNG.integers(0, 255, (40, 1, 8, 8), dtype=np.uint8), "numbers", ("y", "x"), "array (40, 1, 8, 8)"),
        (torch.rand(40, 2, 64) - 0.5, "numbers", ("time",), "tensor (40, 2, 64)"),
        (torch.rand(40, 1, 4, 8, 8), "numbers", ("z", "y", "x"), "tensor (40, 1, 4, 8, 8)"),
        (torch.arange(40 * 6).view(40, 6) % 7, "symbols", ("position",), "tensor (40, 6)"),
        (RNG.normal(size=(40, 12)), "features", ("feature",), "array (40, 12)"),
    ],
    ids=["images", "bytes", "sound", "video", "symbols", "features"],
)
def test_shapes_and_types_say_what_samples_are(x, kind, names, what):
    found = python_data(x)
    data = found.data
    assert (found.kind, found.description, data.grid.names) == (kind, what, names)
    assert (len(data.train), len(data.test), data.classes) == (36, 4, None)
    batch = data.train[[0, 5]]
    wanted = data.grid.shape if data.grid.discrete else (data.grid.channels, *data.grid.shape)
    assert batch.x.shape[1:] == wanted and batch.x.dtype in (torch.uint8, torch.float32, torch.int64)


def test_samples_are_those_that_were_passed():
    x = torch.rand(30, 1, 4, 4)
    found = python_data(x, labels=["b", "a"] * 15, options={"split.holdout": 0.2}).data
    batch = found.train[[3]]
    assert torch.equal(batch.x[0], x[batch.source[0]]) and found.classes == ("a", "b")
    assert batch.label[0] == (batch.source[0] + 1) % 2 and len(found.test) == 6
    assert python_data(x, options={"split.holdout": 0}).data.test is None


def test_symbols_have_one_more_for_holes():
    grid = python_data(torch.tensor([[0, 4], [2, 1]] * 10)).data.grid
    assert (grid.vocab, grid.mask_token) == (6, 5)
    assert python_data(torch.zeros(20, 2, dtype=torch.int32), options={"vocab": 9}).data.grid.vocab == 10
    with pytest.raises(ValueError, match="expected symbols from 0 to 2, got 0 to 4: number them anew"):
        python_data(torch.tensor([[0, 4]] * 10), options={"vocab": 3})


def test_ranges_are_those_of_all_values():
    x = torch.rand(2000, 1, 4)
    x[1234, 0, 2] = -7
    grid = python_data(x).data.grid
    assert grid.range[0] == -7 and grid.signal
    constant = python_data(torch.full((20, 1, 4), 5.0)).data
    assert constant.grid.range[0] < constant.grid.range[1] and torch.isfinite(
        statistics(constant.train, constant.grid)[1]
    )


def test_square_images_can_be_read_from_files_later():
    assert python_data(torch.rand(20, 3, 8, 8)).data.codec.size == 8
    assert python_data(torch.rand(20, 5, 8, 8)).data.codec is python_data(torch.randn(20, 3, 8, 8)).data.codec is None


TABLE = np.stack([RNG.normal(size=40), 1e9 + RNG.normal(size=40), 1000 * RNG.normal(size=40)], axis=1)


@pytest.mark.parametrize("given", ["array", "tensors", "items", "loader", "stream"])
def test_each_column_of_a_table_has_a_scale_of_its_own(given):
    rows = torch.as_tensor(TABLE)
    loader = DataLoader(rows, batch_size=10, sampler=torch.arange(40).tolist())
    passed = {
        "array": TABLE,
        "tensors": TensorDataset(rows),
        "items": [*rows],
        "loader": DataLoader(rows),
        "stream": loader,
    }
    data = python_data(passed[given], options={"split.holdout": 0}).data
    train = data.train
    x = torch.cat([b.x for b in train.in_order(40)]) if given == "stream" else train[torch.arange(40)].x
    assert x.dtype == torch.float32 and x.shape == (40, 1, 3) and data.codec.columns == ["1", "2", "3"]
    off = 0.02 if given == "stream" else 1e-3  # whose first rows come once more than others
    torch.testing.assert_close(x.mean(0), torch.zeros(1, 3), rtol=0, atol=off)
    torch.testing.assert_close(x.std(0, correction=0), torch.ones(1, 3), rtol=0, atol=off)
    assert data.codec.decode(x[:1])[0]["2"] == pytest.approx(TABLE[0, 1], abs=1e-3)


def test_a_table_is_read_on_the_scales_of_a_trained_model():
    data = python_data(TABLE).data
    codec = TableCodec(["a", "b", "c"], [0.0] * 3, [2.0] * 3, (-1.0, 1.0))
    again = data.with_codec(codec)
    assert again.codec == codec and again.grid == codec.grid
    torch.testing.assert_close(again.train[[3]].x, codec.encode(TABLE[again.train.sources[[3]].numpy()])[0])
    with pytest.raises(ValueError, match="learnt from the columns a, b, and ndarray is read with 1, 2, 3: pass"):
        data.with_codec(TableCodec(["a", "b"], [0.0] * 2, [2.0] * 2, (-1.0, 1.0)))


def test_memory_is_shared_and_left_as_it_was():
    x = np.zeros((20, 1, 4, 4), dtype=np.float32)
    x.flags.writeable = False
    data = python_data(x).data
    assert data.train.dataset.x.data_ptr() == x.__array_interface__["data"][0]


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (torch.zeros(0, 1, 8, 8), r"expected samples, got none: \(0, 1, 8, 8\)"),
        (torch.zeros(9, 1), r"expected samples of several cells, got one: \(9, 1\)"),
        (torch.zeros(9, 2, 1), r"expected samples of several cells, got one: \(9, 2, 1\)"),
        (torch.zeros(5, 8, 9, dtype=torch.uint8), r"expected images .*of grey ones \(B, H, W\) pass x\[:, None\]"),
        (torch.zeros(5, 6, 8, 8, 3), r"expected video .*looks like \(B, T, H, W, C\): .*permute\(0, 4, 1, 2, 3\)"),
        (torch.zeros(5, 6, 3, 8, 8), r"expected video .*looks like \(B, T, C, H, W\): .*permute\(0, 2, 1, 3, 4\)"),
        (torch.zeros(9), r"expected images \(B, C, H, W\), sound .* got \(9,\) of torch.float32: reshape"),
        (np.zeros((9, 32, 32, 3), dtype=np.uint8), r"looks like \(B, H, W, C\): move the channels"),
        (np.zeros((9, 3, 8, 8), dtype=np.int64), "expected numbers as uint8 .* or floats, .* convert the samples"),
        (np.zeros((9, 50), dtype=np.uint8), "may be symbols or numbers, .* take int64 or floats"),
        (torch.zeros(9, 8, dtype=torch.bool), "expected uint8, floats or int64 symbols"),
        (torch.tensor([[-1, 2]] * 9), "expected symbols from 0 to 2, got -1 to 2"),
        (torch.full((9, 1, 8), torch.nan), "expected finite samples, got NaN or infinity"),
        (np.array([np.zeros(3), np.zeros(4)], dtype=object), "got an array of object: give all samples the same shape"),
        ("no/such", "expected data to be a folder, .* got str"),
        (7, "expected data to be a folder, .* got int"),
        ({"x": torch.zeros(9, 1, 8)}, "expected data to be a folder, .* got dict"),
    ],
    ids=lambda value: None if isinstance(value, str) else "x",
)
def test_what_cannot_be_learnt_from_is_refused(x, sentence):
    with pytest.raises(ValueError, match=sentence):
        python_data(x)


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ([0] * 8, r"expected labels \(20,\), one for each sample, got \(8,\)"),
        ([0.5] * 20, "expected labels that are whole numbers or texts, got float64"),
        (np.zeros((20, 3), dtype=int), r"one for each sample, got \(20, 3\)"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, sentence):
    with pytest.raises(ValueError, match=sentence):
        python_data(torch.rand(20, 1, 8), labels)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"spilt.holdout": 0}, "data has no option 'spilt.holdout'"),
        ({"split.holdout": 2}, "expected a held-out fraction"),
        ({"size": "large"}, "data.size='large': expected"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        python_data(torch.rand(20, 1, 8), options=options)


def test_pixels_as_floats_of_0_to_255_are_told_apart():
    with pytest.warns(UserWarning, match=r"floats from .* to 2\d\d.* if they are pixels, pass uint8, or divide by 255"):
        python_data(torch.rand(40, 1, 8, 8) * 255)
