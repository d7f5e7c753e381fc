"""Python's own documentation."""

from __future__ import annotations

import pytest
import torch
from helpers.texts import check_contract, words

from ssl_pipeline.data import BPE, pydoc
from ssl_pipeline.data.io.documents import Documents
from ssl_pipeline.data.options import Split, TextWindows


@pytest.mark.parametrize("tokens", ["bytes", "bpe"])
def test_pydoc(tokens):
    data = pydoc(length=64, tokens=tokens, vocab_size=1000)
    check_contract(data)
    assert data.grid.vocab == (258 if tokens == "bytes" else 1000)
    assert data.classes is None and len(data.train) > 1500 and len(data.test) > 200
    assert "".join(words(data, data.train)).count("statement") > 100


def test_pydoc_topics_do_not_quote_each_other():
    data = pydoc(length=128)
    train = "".join(words(data, data.train))
    lines = {line for text in words(data, data.test) for line in text.split("\n") if len(line) > 60}
    assert len(lines) > 100 and sum(line in train for line in lines) < 0.02 * len(lines)


def test_codec_learns_from_the_training_part_only(monkeypatch):
    seen = []
    train = BPE.train.__func__

    def spy(cls, texts, *args):
        seen.extend(texts)
        return train(cls, texts, *args)

    monkeypatch.setattr(BPE, "train", classmethod(spy))
    documents = Documents([f"text number {i}" for i in range(10)], torch.arange(10))
    from ssl_pipeline.data.io.documents import text_data

    parts = documents.set_aside(Split(0.3))
    text_data("x", *parts, length=32, windows=TextWindows(min_length=1), tokens="bpe", vocab_size=300)
    assert seen == parts[0].texts and len(seen) == 7 and not set(seen) & set(parts[1].texts)


def test_split_depends_on_the_seed_alone():
    splits = [
        pydoc(length=n, split={"seed": seed}).test.sources.unique().tolist() for n, seed in ((64, 0), (128, 0), (64, 1))
    ]
    assert splits[0] == splits[1] != splits[2]
    assert pydoc(split={"holdout": 0}).test is None


def test_unknown_tokens():
    with pytest.raises(ValueError, match="tokens=bytes or tokens=bpe, got 'words'"):
        pydoc(tokens="words")


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("length", [8, 12, 16, 24])
def test_short_windows_lose_no_text(length, closed):
    data = pydoc(length=length, windows={"closed": closed}, split={"holdout": 0})
    batch = data.train[range(len(data.train))]
    held = int((batch.valid & (batch.x < 256)).sum())
    longer = pydoc(length=512, split={"holdout": 0}).train
    everything = longer[range(len(longer))]
    assert held > 0.99 * int((everything.valid & (everything.x < 256)).sum())
