"""Counts of short runs of bytes."""

from __future__ import annotations

import time

import pytest
import torch
from helpers.texts import TEXTS

from ssl_pipeline.data import Bytes
from ssl_pipeline.data.io.ngrams import ByteGrams
from ssl_pipeline.structures.batch import Batch


def test_byte_grams_count_runs_within_a_sample():
    """The same as counting by hand; buckets may collide, so numbers of counts are compared, not places."""
    codec = Bytes(16)
    grams = ByteGrams(codec.written)
    x, valid = codec.encode(["abab", "ba", "", "abab"])
    features = grams(Batch(x=x, source=torch.arange(4), valid=valid))
    runs = {}
    for n in (1, 2, 3):
        for i in range(4 - n + 1):
            runs["abab"[i : i + n]] = runs.get("abab"[i : i + n], 0) + 1
    expected = torch.tensor(sorted(runs.values())).float().log1p()
    got = features[0][features[0] > 0].sort().values
    assert torch.allclose(got, expected / expected.norm())
    assert torch.equal(features[0], features[3]) and not features[2].any()
    assert int((features[1] > 0).sum()) == 3
    assert torch.equal(features, grams(Batch(x=x, source=torch.arange(4))))  # padding counts nothing either way


def test_byte_grams_do_not_depend_on_the_codec(bpe):
    plain = Bytes(400)
    rows = []
    for codec in (plain, bpe):
        x, valid = codec.encode(TEXTS)
        rows.append(ByteGrams(codec.written)(Batch(x=x, source=torch.arange(len(x)), valid=valid)))
    assert torch.allclose(*rows)


@pytest.mark.slow
def test_byte_grams_are_fast():
    x = torch.randint(256, (20_000, 256))
    grams = ByteGrams(Bytes(256).written)
    start = time.perf_counter()
    for some in x.split(512):
        grams(Batch(x=some, source=torch.arange(len(some))))
    assert time.perf_counter() - start < 20
