"""Whether a family of models covers a function: its accuracy jumps at some size, or creeps up along a sigmoid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import curve_fit
from scipy.special import expit

DIGITS = 10.0
"""Right digits that count as exact."""

NOISE = 0.1
"""Digits that a curve is not expected to be nearer to than that; without it the better of two exact fits is luck."""


class Curve(NamedTuple):
    """A fitted curve of right digits over log2 of the size."""

    at: Callable[[np.ndarray], np.ndarray]
    aic: float  # Akaike's criterion; the smaller, the better


class Coverage(NamedTuple):
    """The verdict on an accuracy-against-size curve."""

    covered: bool
    digits: np.ndarray  # (S,)
    step: Curve
    logistic: Curve


def digits(errors: Sequence[float]) -> np.ndarray:
    """Right decimal digits of a share of unexplained variance (S,), from 0 to ``DIGITS``.

    >>> digits([2.0, 1e-4, 0.0]).tolist()
    [0.0, 2.0, 10.0]
    """
    return (-np.log10(np.maximum(np.asarray(errors, dtype=float), 10 ** (-2 * DIGITS))) / 2).clip(0, DIGITS)


def coverage(sizes: Sequence[int | float], errors: Sequence[float]) -> Coverage:
    """Fit a step and a logistic curve to the right digits over log2(size), and judge.

    Covered: the step explains the curve better, and what it leads to is nearly exact. A logistic curve that is steep
    enough is a step with a parameter more, so Akaike's criterion takes the step where there is a jump.

    Args:
        sizes: (S,) ascending, 5 at least; begin with 1 for the constant, whose error is 1.
        errors: (S,) shares of unexplained variance, the best of each size or smaller.

    Raises:
        ValueError: too few sizes, not ascending, or another number of errors.

    >>> sizes = [1, 2, 4, 8, 16, 32, 64]
    >>> coverage(sizes, [1, 1, 1e-24, 1e-22, 1e-23, 1e-24, 1e-24]).covered
    True
    >>> coverage(sizes, [1, 0.5, 1e-1, 1e-3, 1e-5, 1e-6, 1e-7]).covered
    False
    """
    if len(sizes) < 5 or len(errors) != len(sizes) or np.any(np.diff(sizes) <= 0):
        raise ValueError(f"expected 5 ascending sizes or more and an error of each, got {list(sizes)}, {list(errors)}")
    x, y = np.log2(np.asarray(sizes, dtype=float)), digits(errors)
    step, logistic = fitted_step(x, y), fitted_logistic(x, y)
    exact = float(step.at(x).max()) > 0.9 * DIGITS
    return Coverage(exact and step.aic < logistic.aic, y, step, logistic)


def fitted_step(x: np.ndarray, y: np.ndarray) -> Curve:
    """Two levels, parted half-way between two of the points; the best of all places."""

    def at(place: float) -> Callable[[np.ndarray], np.ndarray]:
        low, high = y[x < place].mean(), y[x >= place].mean()
        return lambda x: np.where(x < place, low, high)

    steps = [at(place) for place in (x[1:] + x[:-1]) / 2]
    best = min(steps, key=lambda step: float(np.square(step(x) - y).sum()))
    return Curve(best, aic(best(x) - y, parameters=3))


def fitted_logistic(x: np.ndarray, y: np.ndarray) -> Curve:
    """low + height / (1 + exp(-slope (x - middle))), from several starts."""

    def curve(x: np.ndarray, low: float, height: float, middle: float, slope: float) -> np.ndarray:
        return low + height * expit(slope * (x - middle))

    span, found = x[-1] - x[0], []
    bounds = ([-DIGITS, 0, x[0] - span, 0], [DIGITS, 2 * DIGITS, x[-1] + span, 100])
    for middle in np.quantile(x, [0.25, 0.5, 0.75]):
        for slope in (1 / span, 4 / span, 20 / span):
            start = [y.min(), np.ptp(y), middle, slope]
            found.append(curve_fit(curve, x, y, start, bounds=bounds, max_nfev=5000)[0])
    best = min(found, key=lambda p: float(np.square(curve(x, *p) - y).sum()))
    return Curve(lambda x: curve(x, *best), aic(curve(x, *best) - y, parameters=4))


def aic(residuals: np.ndarray, parameters: int) -> float:
    """Akaike's criterion of Gaussian residuals (S,) of at least ``NOISE``."""
    variance = max(float(np.square(residuals).mean()), NOISE**2)
    return len(residuals) * float(np.log(variance)) + 2 * parameters
