"""Tones of known pitch, timbre and envelope."""

from __future__ import annotations

import time

import pytest
import torch
from helpers.sounds import check_contract

from ssl_pipeline.data import tones


@pytest.mark.parametrize("features", ["logmel", "waveform"])
def test_tones(features):
    data = tones(features=features, samples=240)
    check_contract(data)
    assert (len(data.train), len(data.test)) == (200, 40) and len(data.classes) == 24
    assert data.classes[0] == "A2" and data.classes[3] == "C3" and data.classes[12] == "A3"
    again = tones(features=features, samples=240)
    assert torch.equal(data.test[range(40)].x, again.test[range(40)].x)
    other = tones(features=features, samples=240, seed=1)
    assert not torch.equal(data.test.labels, other.test.labels)


def test_tones_take_no_time_and_are_balanced():
    tones(samples=12)  # what is loaded once
    start = time.process_time()
    data = tones(label="envelope")
    assert time.process_time() - start < 4
    assert torch.bincount(data.train.labels, minlength=3).min() > 600
    assert torch.bincount(data.test.labels, minlength=3).min() > 80


def test_tones_have_the_pitch_that_they_claim():
    data = tones(features="waveform", samples=120, seconds=1.0)
    x = data.train[range(100)].x[:, 0]
    power = torch.fft.rfft(x * torch.hann_window(8000)).abs().square()  # a bin is one Hz
    harmonic = torch.arange(1, 9)

    def strength(row, pitch):
        near = harmonic * 110 * 2 ** (pitch / 12)
        bins = torch.arange(4001)
        return row[((bins[:, None] - near).abs() <= 0.03 * near).any(1)].sum() / row.sum()

    for row, label in zip(power, data.train.labels.tolist(), strict=True):
        own = strength(row, label)
        assert own > 0.3
        assert all(own > strength(row, label + other) for other in (-2, 2, 6))


@pytest.mark.slow
def test_tones_are_learnable_from_the_baseline_but_not_at_once():
    from sklearn.linear_model import LogisticRegression

    for label, low in (("pitch", 0.5), ("timbre", 0.8), ("envelope", 0.7)):
        data = tones(label=label)
        a, b = (data.baseline(part[range(len(part))]).numpy() for part in (data.train, data.test))
        mean, std = a.mean(0), a.std(0)
        probe = LogisticRegression(max_iter=300).fit((a - mean) / std, data.train.labels)
        assert low < probe.score((b - mean) / std, data.test.labels) < 1
