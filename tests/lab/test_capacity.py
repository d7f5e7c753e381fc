"""Possibility spaces: best errors over sizes and seeds (M31), and what a jump tells (M33)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ssl_pipeline.lab.diagnostics import Target, capacity, coverage
from ssl_pipeline.lab.diagnostics.coverage import judged, right_digits
from ssl_pipeline.lab.layers import LowRankBilinear

SIZES = (1, 2, 3, 4, 6, 8, 12, 16)


def products(inputs: int, size: int) -> nn.Module:
    """Sums of so many products of two forms."""
    return LowRankBilinear(inputs, size, 1)


def mlp(activation: type[nn.Module]):
    return lambda inputs, size: nn.Sequential(nn.Linear(inputs, size), activation(), nn.Linear(size, 1))


def points(function, inputs: int) -> Target:
    x = torch.rand(400, inputs, generator=torch.Generator().manual_seed(0)).double() * 2 - 1
    y = function(x)[:, None]
    return Target(x[:200], y[:200], x[200:], y[200:])


PRODUCT = points(lambda x: x.prod(1), 2)


def tried(family, target):
    found = capacity(family, target, SIZES, range(2))
    return found, judged(found)


def test_the_best_error_over_sizes_and_seeds():
    """M31: the seed is chosen by what was fitted, the size by what was held out."""
    found = capacity(products, PRODUCT, [1, 2], range(3))
    assert found.errors.shape == (2, 3) and found.parameters == (8, 15)
    assert found.best == float(found.by_size.min()) < 1e-20
    again = capacity(products, PRODUCT, [1, 2], range(3))
    assert torch.equal(found.errors, again.errors)
    other = capacity(nn.Linear, PRODUCT, [1], [0])
    assert other.best == pytest.approx(1, abs=0.1)  # no line knows anything of a product


def test_a_fit_of_ones_own_is_used():
    calls = []
    capacity(nn.Linear, PRODUCT, [1], [0, 1], fit=lambda net, x, y: calls.append((len(x), x.dtype)))
    assert calls == [(200, torch.float64)] * 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: capacity(products, PRODUCT, [], [0]), "at least one size"),
        (lambda: capacity(products, PRODUCT._replace(y=torch.ones(200, 1)), [1], [0]), "target that varies"),
        (lambda: coverage([1, 2, 4, 4, 8, 16, 32, 64], [1.0] * 8), "ascending sizes"),
        (lambda: coverage([1, 2, 4, 8, 16, 32, 64, 128], [1.0] * 4), "an error of each"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.slow
def test_products_jump_and_relu_creeps():
    """M33."""
    jump, jumped = tried(products, PRODUCT)
    creep, crept = tried(mlp(nn.ReLU), PRODUCT)
    assert jumped.covered and jumped.step.aic < jumped.logistic.aic and jump.best < 1e-20
    assert not crept.covered and crept.logistic.aic < crept.step.aic and 1e-8 < creep.best < 0.1


def test_a_line_is_covered_by_relu():
    """Not a matter of multiplying: what holds the function jumps."""
    found, verdict = tried(mlp(nn.ReLU), points(lambda x: x[:, 0] - 2 * x[:, 1], 2))
    assert verdict.covered and found.best < 1e-20


def test_the_jump_is_where_the_rank_suffices():
    """Two products need two; one explains half."""
    found, verdict = tried(products, points(lambda x: x[:, 0] * x[:, 1] + x[:, 2] * x[:, 3], 4))
    assert verdict.covered and 0.2 < found.by_size[0] < 0.8 and found.by_size[1] < 1e-20


def test_neither_a_flat_curve_nor_a_low_step_is_covered():
    sizes = [2**i for i in range(8)]
    assert not coverage(sizes, [1.0] * 8).covered
    low = coverage(sizes, [1, 1, 1, 1, 1e-5, 1e-5, 1e-5, 1e-5])
    assert low.step.aic < low.logistic.aic and not low.covered


def test_fits_find_what_a_curve_is_made_of():
    x = np.arange(10.0)
    curve = 2 + 6 / (1 + np.exp(-(x - 4.5)))
    found = coverage([*2**x], [*10 ** (-2 * curve)])
    np.testing.assert_allclose(found.digits, curve, atol=1e-9)
    np.testing.assert_allclose(found.logistic.at(x), curve, atol=1e-3)
    step = coverage([*2**x], [*10.0 ** (-2 * np.where(x < 3, 1, 9))])
    np.testing.assert_allclose(step.step.at(x), np.where(x < 3, 1, 9), atol=1e-9)
    assert step.step.aic == pytest.approx(step.logistic.aic - 6)  # both exact; 2 * 4 * 10 / 5 against 2 * 3 * 10 / 6


def test_digits_have_bounds():
    assert right_digits([4.0, 1e-2, 0.0, float("inf")]).tolist() == [0, 1, 10, 0]
