"""Codecs of texts, there and back."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch
from helpers.texts import TEXTS

from ssl_pipeline.config.build import build_part
from ssl_pipeline.data import BPE, Bytes


@pytest.mark.parametrize("kind", ["bytes", "bpe"])
def test_round_trip(kind, bpe):
    codec = Bytes(400) if kind == "bytes" else bpe
    again = build_part("codec", json.loads(json.dumps(codec.plain())))
    assert type(again) is {"bytes": Bytes, "bpe": BPE}[kind]
    x, valid = codec.encode(TEXTS)
    assert codec.decode(x, valid) == again.decode(x) == TEXTS
    assert torch.equal(again.encode(TEXTS)[0], x) and again.grid == codec.grid
    assert [codec.encode([text])[0][0].tolist() for text in TEXTS] == x.tolist()
    assert torch.equal(codec.encode([text.encode() for text in TEXTS])[0], x)
    assert torch.equal(pickle.loads(pickle.dumps(codec)).encode(TEXTS)[0], x)
    assert valid.sum(1).tolist() == [len(next(iter(codec.symbols([text])))) + 1 for text in TEXTS]


def test_bytes_of_symbols(bpe):
    """Symbols below 256 are bytes in both codecs, and whitespace is never merged."""
    assert Bytes(400).encode(TEXTS[:1])[0][0, : len(TEXTS[0])].tolist() == list(TEXTS[0].encode())
    assert bpe.grid.vocab == 330 and bpe.grid.mask_token == 329
    assert [len(some) for some in bpe.spelling[:256]] == [1] * 256
    assert [some[0] for some in bpe.spelling[:256]] == list(range(256))
    merged = bpe.spelling[256:-2]
    assert len(set(merged)) == len(merged) == 72
    assert not any(set(some) & set(b" \n\t\r") for some in merged)
    x, valid = bpe.encode(TEXTS[:1])
    assert (x[valid] == ord(" ")).sum() == TEXTS[0].count(" ")
    assert int(valid.sum()) < len(TEXTS[0]) * 0.7


def test_long_texts_are_cut_without_an_end(bpe):
    for codec in (Bytes(5), BPE(5, bpe.merges)):
        text = "abcdefghi jklmno 12 34 56"
        x, valid = codec.encode([text, "ab", "q w e"])
        assert valid[0].all() and codec.end not in x[0].tolist() and text.startswith(codec.decode(x, valid)[0])
        assert codec.decode(x)[1:] == ["ab", "q w e"]
        assert codec.end not in x[2].tolist()


def test_decoding_damaged_samples(tmp_path):
    codec = Bytes(6)
    x = torch.tensor([[65, 257, 66, 256, 67, 68], [0xD0, 0x94, 0xD0, 65, 65, 65]])
    assert codec.decode(x) == ["A█B", "Д\ufffdAAA"]
    assert codec.decode(x, torch.arange(6).expand(2, 6) < 2) == ["A█", "Д"]
    file = codec.write(tmp_path / "v1.5", x[1], torch.arange(6) < 2)
    assert file.name == "v1.5.txt" and file.read_bytes() == "Д".encode()


def test_bpe_replaces_what_is_no_utf8(bpe):
    assert bpe.decode(bpe.encode([b"a\xff\xfeb"])[0]) == ["a\ufffd\ufffdb"]


def test_bpe_takes_long_texts_and_few():
    text = "one two " * 40_000 + "x" * 150_000
    codec = BPE.train(["one two one two"], length=8, vocab_size=4096)
    assert codec.grid.vocab < 270  # the texts have no more pairs
    symbols = next(iter(codec.symbols([text])))
    assert b"".join(codec.spelling[symbol] for symbol in symbols.tolist()) == text.encode()
    assert np.array_equal(next(iter(codec.symbols([text, "a"]))), symbols)
    assert codec.encode([text])[0].tolist() == [symbols[:8].tolist()]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Bytes(0), "at least 1"),
        (lambda: BPE.train(["a"], 8, 257), "at least 258"),
        (lambda: BPE(8, [[97, 300]]), "none before it makes"),
    ],
)
def test_codecs_refuse(make, words):
    with pytest.raises(ValueError, match=words):
        make()
