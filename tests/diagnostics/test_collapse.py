"""Signs of collapse, and when they are alarms."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ssl_pipeline.diagnostics.collapse import Signs, centred_rank, collapsed, gap, normalized_spread, signs


def cloud(n=60, width=10, seed=0):
    return np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)


# Numbers.


@pytest.mark.parametrize("shape", [(60, 10), (10, 60)])
def test_rank_is_that_of_the_singular_values_about_the_mean(shape):
    z = cloud(*shape) * np.geomspace(1, 0.01, shape[1], dtype=np.float32) + 5
    s = torch.linalg.svdvals(torch.from_numpy(z - z.mean(0)).double())
    p = (s / s.sum())[s > 1e-6]
    assert centred_rank(z) == pytest.approx(float(torch.exp(-(p * p.log()).sum())), rel=1e-3)


def test_spread_is_that_of_the_directions():
    z = cloud() + 1
    rows = [row / np.sqrt(sum(v * v for v in row)) for row in z]
    expected = np.mean([np.std([row[d] for row in rows]) for d in range(10)]) * np.sqrt(10)
    assert normalized_spread(z) == pytest.approx(expected, rel=1e-5)
    assert normalized_spread(z * np.arange(1, 61, dtype=np.float32)[:, None]) == pytest.approx(expected, rel=1e-5)


def test_gap_is_distance_over_deviation():
    a, b, c = cloud(seed=1), cloud(seed=2) + 3, cloud(seed=3)

    def of(p, q):
        distance = np.mean([sum((x - y) ** 2) for x, y in zip(p, q, strict=True)])
        return np.sqrt(distance / np.mean([sum(np.var(p, 0)), sum(np.var(q, 0))]))

    assert gap([a, b, c]) == pytest.approx((of(a, b) + of(a, c) + of(b, c)) / 3, rel=1e-5)
    assert gap([7 * a, 7 * b]) == pytest.approx(of(a, b), rel=1e-5)
    assert np.isnan(gap([np.ones((4, 3)), np.ones((4, 3))]))


def test_no_single_sign_sees_every_collapse():
    constant = 1 + 1e-4 * cloud()  # full rank, no spread
    line = cloud(width=1) * np.ones(10, dtype=np.float32)  # all the spread, one direction
    assert centred_rank(constant) > 8 and list(collapsed(signs(constant), 60, 10)) == ["constant"]
    assert normalized_spread(line) > 0.9 and list(collapsed(signs(line), 60, 10)) == ["line"]
    shrunk = cloud() * 1e-6  # no collapse: only its units are small
    assert signs(shrunk).std < 1e-5 and collapsed(signs(shrunk), 60, 10) == {}


def test_alarms_know_their_limits():
    assert collapsed(Signs(1.0, 0.5, 1.5), samples=256, width=4) == {}  # two of four directions are no alarm
    assert collapsed(Signs(1.0, 0.5, 1.5), samples=4, width=128) == {}
    assert collapsed(signs(np.full((20, 20), np.nan)), 20, 20) == {}  # the loss says so
    assert list(collapsed(signs(np.ones((20, 20))), 20, 20)) == ["constant"]
