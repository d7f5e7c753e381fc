"""Data with junk among them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ssl_pipeline.data import digits, junk, tones
from ssl_pipeline.evaluation import P1

# Junk


def test_junk_is_marked_and_leaves_test_and_probes_alone():
    plain = digits()
    mixed = junk(plain, share=0.3, kinds=["noise", "shuffled", "flat"])
    assert mixed.junk is not None and mixed.junk.double().mean().item() == pytest.approx(0.3, abs=0.01)
    assert mixed.test is plain.test and torch.equal(mixed.train[range(50)].x, plain.train[range(50)].x)
    rows = mixed.junk.nonzero().flatten()
    batch = mixed.train[rows]
    assert (batch.label == -1).all() and torch.equal(mixed.train.labels[mixed.junk], batch.label)
    assert len(mixed.train.sources.unique()) == len(mixed.train)
    flat = batch.x[2::3].flatten(1)
    assert (flat == flat[:, :1]).all()
    histograms = {tuple(sorted(x.flatten().tolist())) for x in plain.train[range(len(plain.train))].x}
    assert all(tuple(sorted(x.flatten().tolist())) in histograms for x in batch.x[1::3][:20])
    assert torch.equal(junk(digits(), 0.3, ["noise", "shuffled", "flat"]).train[rows].x, batch.x)
    some = torch.tensor([rows[3], 5, rows[0], 7])  # both kinds in one batch, in the order that was asked for
    assert torch.equal(mixed.train[some].x[[1, 3]], plain.train[[5, 7]].x)
    assert torch.equal(mixed.train[some].x[[0, 2]], batch.x[[3, 0]])
    found, wanted = (P1().raw_features(data).train for data in (mixed, plain))
    assert np.array_equal(found.z, wanted.z) and np.array_equal(found.label, wanted.label)


def test_junk_refuses_what_it_cannot_mix():
    for words, options in (
        ("data.share=1", {"share": 1.0}),
        ("data.kinds has no 'noize'; nearest: noise", {"kinds": ["noize"]}),
        ("data.kinds is empty", {"kinds": []}),
        ("data.samples=0", {"samples": 0}),
    ):
        with pytest.raises(ValueError, match=words):
            junk(digits(), **options)
    with pytest.raises(ValueError, match="holds other things"):
        junk(tones(samples=24))
    assert not junk(digits(), share=0.0).junk.any()


def test_sources_of_junk_are_those_of_no_sample():
    data = junk(digits(), share=0.25)
    assert not set(data.train.sources[data.junk].tolist()) & {*data.test.sources.tolist(), *data.clean.sources.tolist()}
