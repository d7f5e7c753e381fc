"""Texts that the library of Hugging Face loads."""

from __future__ import annotations

from itertools import islice

import pytest
import torch
from helpers.texts import check_contract, words

from ssl_pipeline.data import Stream, hf_text


def rows(n, path, column="text", **columns):
    import datasets

    features = {column: datasets.Value("string"), "label": datasets.ClassLabel(names=["even", "odd"])}
    columns = {column: [f"row {i} " * 20 for i in range(n)], "label": [i % 2 for i in range(n)], **columns}
    datasets.Dataset.from_dict(columns, features=datasets.Features(features)).to_parquet(path)
    return str(path)


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("tokens", ["bytes", "bpe"])
def test_hf_text(tmp_path, tokens):
    file = rows(20, tmp_path / "a.parquet", column="story")
    data = hf_text("parquet", data_files=file, text="story", length=64, tokens=tokens, vocab_size=280)
    check_contract(data)
    assert data.classes == ("even", "odd") and data.name == "parquet"
    assert (data.train.labels == data.train.sources % 2).all() and len(data.test.sources.unique()) == 2
    with pytest.raises(ValueError, match=r"no column 'text': set data\.text to one of story, label"):
        hf_text("parquet", data_files=file)
    with pytest.raises(ValueError, match=r"expected texts, got int: set data\.text"):
        hf_text("parquet", data_files=file, text="label")


@pytest.mark.usefixtures("hub")
def test_hf_text_with_a_test_split_and_rows_without_text(tmp_path):
    texts = [None, " ", "some words", "other words"]
    files = {
        "train": rows(4, tmp_path / "train.parquet", text=texts),
        "test": rows(3, tmp_path / "test.parquet"),
    }
    with pytest.warns(UserWarning, match="2 of 4 documents hold no text"):
        data = hf_text("parquet", data_files=files, split={"test": "test"}, length=200)
    check_contract(data)
    assert words(data, data.train) == ["some words", "other words"] and data.train.sources.tolist() == [2, 3]
    assert data.test.labels.tolist() == [0, 1, 0]


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("tokens", ["bytes", "bpe"])
def test_hf_text_stream(tmp_path, tokens):
    files = {
        "train": rows(12, tmp_path / "train.parquet"),
        "test": rows(3, tmp_path / "test.parquet", text=["", "a", None]),
    }
    options = {"data_files": files, "length": 16, "tokens": tokens, "vocab_size": 280, "streaming": True}
    data = hf_text("parquet", **options, split={"test": "test"})
    assert isinstance(data.train, Stream) and data.classes == ("even", "odd")
    whole = list(islice(data.train.batches(4, 0, 0, 0, 1), 3))
    batch = whole[0]
    assert batch.x.dtype == torch.int64 and batch.x.shape == (4, 16) and batch.valid.all()
    numbers = [int(text.split()[1]) for one in whole for text in data.codec.decode(one.x)]
    assert sorted(numbers) == list(range(12))
    assert torch.cat([one.label for one in whole]).tolist() == [number % 2 for number in numbers]
    assert torch.equal(next(data.train.batches(4, 0, 2, 0, 1)).x, whole[2].x)
    assert words(data, data.test) == ["", "a", ""] and data.test[[1]].valid.sum() == 2
    assert data.baseline(batch).shape == (4, 4096)
    with pytest.raises(ValueError, match=r"no column 'story': set data\.text to one of"):
        hf_text("parquet", **options, text="story")
