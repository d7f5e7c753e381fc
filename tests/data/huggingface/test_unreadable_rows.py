"""Rows whose picture cannot be read, or whose label is missing: named, counted and left out."""

import os
import pickle
import warnings
from itertools import islice

import numpy as np
import pytest
import torch
from helpers.images import picture, rows_with

from ssl_pipeline.data import hf
from ssl_pipeline.data.in_python import python_data

pytestmark = pytest.mark.usefixtures("hub")
BAD = {7: {"picture": "cut"}, 30: {"picture": None}, 31: {"picture": {"bytes": b"no picture", "path": None}}}
OPTIONS = {"image": "picture", "size": 8}


def saved(tmp_path, rows):
    rows.save_to_disk(tmp_path / "saved")
    return str(tmp_path / "saved")


def test_rows_are_left_out_of_both_parts(tmp_path):
    path = saved(tmp_path, rows_with(80, BAD))
    with pytest.warns(UserWarning, match=r"3 of 80 images cannot be read: row 7 .*; row 30 \(.*nothing\); row 31 \(no"):
        data = hf(path, **OPTIONS, split={"holdout": 0.5})
    sources = torch.cat([data.train.sources, data.test.sources]).sort().values
    assert sources.tolist() == sorted(set(range(80)) - set(BAD))
    for part in (data.train, data.test):
        batch = part[range(len(part))]
        assert (batch.label == batch.source % 2).all() and batch.x.flatten(1).float().std(1).min() > 1  # none is black
    with pytest.raises(ValueError, match=r"3 of 80 images cannot be read.*unreadable\.max_share"):
        hf(path, **OPTIONS, unreadable={"max_share": 0.03})
    with pytest.raises(ValueError, match=r"unreadable\.max_share"):
        hf(path, **OPTIONS, unreadable={"action": "error"})


def test_the_test_part_is_counted_apart(tmp_path):
    import datasets

    parts = {"train": rows_with(80, {7: BAD[7]}), "test": rows_with(10, {7: BAD[7]})}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "both")
    with pytest.raises(ValueError, match="1 of 10 images cannot be read: row 7"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hf(str(tmp_path / "both"), **OPTIONS, split={"test": "test"})


def test_rows_that_were_loaded_in_python():
    with pytest.warns(UserWarning, match="1 of 40 images cannot be read: row 0"):
        part = python_data(rows_with(40, {0: BAD[7]}), options={"size": 8, "split.holdout": 0}).data.train
    assert part.sources.tolist() == list(range(1, 40))
    with pytest.raises(ValueError, match=r"1 of 40.*unreadable\.max_share"):
        python_data(rows_with(40, {0: BAD[7]}), options={"size": 8, "unreadable.action": "error"})


def test_paths_of_pipes_devices_and_nothing(tmp_path):
    import datasets

    os.mkfifo(tmp_path / "pipe.png")
    picture("RGB").save(tmp_path / "good.png")
    paths = (tmp_path / "pipe.png", "/dev/zero", tmp_path / "gone.png", *[tmp_path / "good.png"] * 57)
    rows = datasets.Dataset.from_dict({"picture": [str(path) for path in paths]})
    with pytest.warns(UserWarning, match=r"row 0 \(it is .*pipe.*row 1 \(it is .*device.*row 2 \(.*No such file"):
        assert len(hf(saved(tmp_path, rows), **OPTIONS, split={"holdout": 0}).train) == 57
    with pytest.warns(UserWarning, match="3 of 60"):
        assert len(python_data(rows.cast_column("picture", datasets.Image()), options={"size": 8}).data.test) == 6


def test_missing_labels_leave_the_others(tmp_path):
    rows = rows_with(20, {3: {"label": None}, 8: {"label": -1}})
    with pytest.warns(UserWarning, match="2 of 20 rows have no label in column 'label'"):
        data = hf(saved(tmp_path, rows), **OPTIONS, split={"holdout": 0})
    labels = data.train.labels
    assert (labels < 0).nonzero().flatten().tolist() == [3, 8] and labels[[4, 5]].tolist() == [0, 1]


def streamed(tmp_path, rows, **options):
    rows.to_parquet(tmp_path / "rows.parquet")
    files = {"train": str(tmp_path / "rows.parquet"), "test": str(tmp_path / "rows.parquet")}
    return hf("parquet", data_files=files, streaming=True, buffer=1, **OPTIONS, **options)


def test_a_stream_stands_another_in(tmp_path):
    stream = streamed(tmp_path, rows_with(40, {**BAD, 14: BAD[7], 15: BAD[7]})).train
    with pytest.warns(UserWarning, match=r"1 of 8 samples of a stream cannot be read, as sample 7 \(.*left out"):
        batches = list(islice(stream.batches(4, 0, 0, 0, 1), 10))
    assert [batch.source.tolist() for batch in batches[:4]] == [
        [0, 1, 2, 3],
        [4, 5, 6, 4],
        [8, 9, 10, 11],
        [12, 13, 12, 12],
    ]
    assert torch.equal(batches[1].x[3], batches[1].x[0]) and batches[1].label.tolist() == [0, 1, 0, 0]
    with pytest.warns(UserWarning):
        again = next(stream.batches(4, 0, 7, 0, 1))
    assert torch.equal(again.x, batches[7].x) and again.source.tolist() == batches[7].source.tolist() == [
        28,
        29,
        28,
        28,
    ]
    copy = pickle.loads(pickle.dumps(stream.decode))  # as a worker process gets it
    np.testing.assert_array_equal(copy(rows_with(1, {})[0]["picture"]).shape, (3, 8, 8))


def test_a_batch_of_a_stream_of_which_nothing_can_be_read(tmp_path):
    stream = streamed(tmp_path, rows_with(8, dict.fromkeys((2, 3, 4), BAD[7]))).train
    with pytest.warns(UserWarning):
        batches = list(islice(stream.batches(2, 0, 0, 0, 1), 4))
    assert [batch.source.tolist() for batch in batches] == [[0, 1], [5, 5], [5, 5], [6, 7]]
    assert torch.equal(batches[1].x[0], batches[2].x[0])


def test_a_stream_is_counted_apart_in_training_and_in_evaluation(tmp_path):
    rows = rows_with(30, dict.fromkeys(range(0, 30, 10), BAD[7]))
    with pytest.warns(UserWarning, match="3 of 30 test samples cannot be read: sample 0"):
        data = streamed(tmp_path, rows, unreadable={"max_share": 0.1}, split={"test": "test"})
    assert len(data.test) == 27 and data.test.labels.tolist()[:2] == [1, 0]
    with pytest.warns(UserWarning, match="1 of 7 samples of a stream"):
        seen = torch.cat([batch.source for batch in data.train.in_order(7)])
    assert seen.tolist() == [number for number in range(30) if number % 10]
    data.train.limit = 0.05
    with pytest.warns(UserWarning), pytest.raises(ValueError, match=r"51 of 510 samples.*unreadable\.max_share"):
        list(islice(data.train.batches(30, 0, 0, 0, 1), 40))
    with pytest.raises(ValueError, match="3 of 30 test samples"):
        streamed(tmp_path, rows, split={"test": "test"})


def test_a_stream_of_which_nothing_can_be_read_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("ssl_pipeline.data.huggingface.hf_stream._LOOKED_FOR", 10)
    rows = rows_with(3, dict.fromkeys(range(3), BAD[7]))
    stream = streamed(tmp_path, rows, unreadable={"max_share": 1.0}).train
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="none of the next 10 samples"):
        next(stream.batches(2, 0, 0, 0, 1))
