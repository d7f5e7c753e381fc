"""Whether a family of models covers a function: its accuracy jumps at some size, or creeps up along a sigmoid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import least_squares
from scipy.special import expit

from ssl_pipeline.lab.diagnostics.capacity import Errors

_DIGITS = 10.0
"""Right digits that count as exact."""

_NOISE = 0.05
"""Share of a curve's height that no fit is expected to be nearer to; else the better of two good fits would be luck."""

_STEEPEST = 100.0
"""Slope of a logistic curve for each doubling of the size, at most: a step."""

_LEAST = 0.01
"""Digits below which nothing can be distinguished."""


class SizeCurve(NamedTuple):
    """A fitted curve of right digits over log2 of the size."""

    at: Callable[[np.ndarray], np.ndarray]
    aic: float  # Akaike's criterion, corrected for few points (Hurvich and Tsai 1989); the smaller, the better


class Coverage(NamedTuple):
    """The verdict on an accuracy-against-size curve."""

    covered: bool
    digits: np.ndarray  # (S,)
    step: SizeCurve
    logistic: SizeCurve


def right_digits(errors: Sequence[float]) -> np.ndarray:
    """Right decimal digits of a share of unexplained variance (S,), from 0 to ``_DIGITS``.

    >>> right_digits([2.0, 1e-4, 0.0]).tolist()
    [0.0, 2.0, 10.0]
    """
    return (-np.log10(np.maximum(np.asarray(errors, dtype=float), 10 ** (-2 * _DIGITS))) / 2).clip(0, _DIGITS)


def judged(errors: Errors) -> Coverage:
    """The verdict on a curve that begins with the constant: one parameter, no digit; a larger model is no worse."""
    best = torch.cummin(errors.by_size, 0).values
    return coverage([1, *errors.parameters], [1.0, *best.tolist()])


def coverage(sizes: Sequence[int | float], errors: Sequence[float]) -> Coverage:
    """Fit a step and a logistic curve to the right digits over log2(size), and judge.

    Covered: the step explains the curve better, and what it leads to is nearly exact. A logistic curve that is steep
    enough is a step with a parameter more, so Akaike's criterion takes the step where there is a jump. A jump alone
    would not do: four tanh units come so near to a product that an optimiser sees no difference beyond three digits.

    Args:
        sizes: (S,) ascending, 8 at least; begin with 1 for the constant, whose error is 1.
        errors: (S,) shares of unexplained variance, the best of each size or smaller.

    Raises:
        ValueError: too few sizes, not ascending, or another number of errors.

    >>> sizes = [1, 2, 4, 8, 16, 32, 64, 128]
    >>> coverage(sizes, [1, 1, 1, 1e-24, 1e-22, 1e-23, 1e-24, 1e-24]).covered
    True
    >>> coverage(sizes, [1, 0.8, 0.3, 1e-1, 1e-3, 1e-5, 1e-6, 1e-7]).covered
    False
    """
    if len(sizes) < 8 or len(errors) != len(sizes) or np.any(np.diff(sizes) <= 0):
        raise ValueError(f"expected 8 ascending sizes or more and an error of each, got {list(sizes)}, {list(errors)}")
    x, y = np.log2(np.asarray(sizes, dtype=float)), right_digits(errors)
    step, logistic = fitted_step(x, y), fitted_logistic(x, y)
    exact = float(step.at(x).max()) > 0.9 * _DIGITS
    return Coverage(exact and step.aic < logistic.aic, y, step, logistic)


def fitted_step(x: np.ndarray, y: np.ndarray) -> SizeCurve:
    """Two levels, parted half-way between two of the points; the best of all places."""

    def at(place: float) -> Callable[[np.ndarray], np.ndarray]:
        low, high = y[x < place].mean(), y[x >= place].mean()
        return lambda x: np.where(x < place, low, high)

    steps = [at(place) for place in (x[1:] + x[:-1]) / 2]
    best = min(steps, key=lambda step: float(np.square(step(x) - y).sum()))
    return SizeCurve(best, aic(best(x) - y, np.ptp(y), parameters=3))


def fitted_logistic(x: np.ndarray, y: np.ndarray) -> SizeCurve:
    """low + height / (1 + exp(-slope (x - middle))), from several starts."""

    def curve(x: np.ndarray, p: np.ndarray) -> np.ndarray:
        low, height, middle, slope = p
        return low + height * expit(slope * (x - middle))

    span, found = x[-1] - x[0], []
    bounds = [-_DIGITS, 0, x[0] - span, 0], [_DIGITS, 2 * _DIGITS, x[-1] + span, _STEEPEST]
    for middle in np.linspace(x[0], x[-1], 6)[1:-1]:
        for slope in (1 / span, 4 / span, 20 / span):
            start = np.array([y.min(), np.ptp(y), middle, min(slope, _STEEPEST)])
            found.append(least_squares(lambda p: curve(x, p) - y, start, bounds=bounds, max_nfev=300))
    best = min(found, key=lambda fit: float(fit.cost)).x
    return SizeCurve(lambda x: curve(x, best), aic(curve(x, best) - y, np.ptp(y), parameters=4))


def aic(residuals: np.ndarray, height: float, parameters: int) -> float:
    """Akaike's corrected criterion of Gaussian residuals (S,) of at least ``_NOISE`` times the curve's height."""
    n = len(residuals)
    variance = max(float(np.square(residuals).mean()), (_NOISE * height) ** 2, _LEAST**2)
    return n * float(np.log(variance)) + 2 * parameters * n / (n - parameters - 1)
