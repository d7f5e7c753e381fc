"""How purely features hold independent factors: what a linear readout of each finds, and what else it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline

from ssl_pipeline.evaluation.probes import OneScale

_STRENGTHS = np.logspace(-3, 5, 9)
"""Of the ridge, chosen by leave-one-out."""

_LEAST = 1e-12
"""Variance below which a number never varies, and is no target."""


class Factor(NamedTuple):
    """One factor of N samples as K numbers.

    Args:
        values: (N, K).
        symbols: numbers (N, K) to what they stand for (N, J), such as bits or a class; None for a quantity.
        pure: whether it is independent of the other pure ones, so that what it shares with them is leakage.
    """

    values: np.ndarray
    symbols: Callable[[np.ndarray], np.ndarray] | None = None
    pure: bool = True

    @classmethod
    def quantity(cls, values: np.ndarray) -> Factor:
        """Numbers (N,) on a scale."""
        return cls(values[:, None].astype(float))

    @classmethod
    def category(cls, values: np.ndarray, classes: int) -> Factor:
        """Numbers (N,) of a class."""
        return cls(np.eye(classes)[values], _largest)

    @classmethod
    def bits(cls, values: np.ndarray, pure: bool = True) -> Factor:
        """Bits (N, K)."""
        return cls(values.astype(float), _rounded, pure)


class Seen(NamedTuple):
    """Features (N, D) of some samples, and their factors."""

    z: np.ndarray
    factors: Mapping[str, Factor]


class Purity(NamedTuple):
    """What a linear readout finds of one factor on samples that it was not fitted to.

    nan where the number does not apply.
    """

    r2: float  # share of the variance of all its numbers; negative where the readout is worse than their mean
    accuracy: float  # share of its symbols
    exact: float  # share of the samples of which all symbols are right
    leakage: float  # variance of the readout that the other pure factors explain, over that of the factor


def purity(train: Seen, *tests: Seen) -> list[dict[str, Purity]]:
    """Purity of each factor, by the name of the factor, in each of some sets.

    A ridge regression reads each factor (informativeness, OpenReview By-7dz-AZ): R^2 is 1 and leakage 0 where it finds
    that factor and nothing else. A factor that features hold in a form that is not linear counts as not held. Turning
    the features changes nothing.

    Args:
        train: what readouts are fitted to.
        tests: what they are measured on.

    Raises:
        ValueError: sets that do not name the same factors.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(200, 2))
    >>> factors = {"a": Factor.quantity(x[:, 0]), "b": Factor.quantity(x[:, 1])}
    >>> half = Seen(x.sum(1, keepdims=True), factors)
    >>> [round(found.r2, 1) for found in purity(half, half)[0].values()]
    [0.5, 0.5]
    """
    if any(test.factors.keys() != train.factors.keys() for test in tests):
        raise ValueError(f"expected the factors {', '.join(train.factors)} in every set: name the same ones")
    read, *others = _read(train, [train, *tests])
    found = []
    for test, values in zip(tests, others, strict=True):
        leaked = {k: _leaked(k, train, read[k], test, values[k]) for k in train.factors}
        found.append({k: _judged(factor, values[k], leaked[k]) for k, factor in test.factors.items()})
    return found


def _read(train: Seen, sets: Sequence[Seen]) -> list[dict[str, np.ndarray]]:
    """Fit readouts of all factors together, and let them read those of each set."""
    values = np.concatenate([factor.values for factor in train.factors.values()], axis=1)
    ends = np.cumsum([factor.values.shape[1] for factor in train.factors.values()])[:-1]
    # One scale for all: a scale for each would blow rounding up.
    readout = make_pipeline(OneScale(), RidgeCV(_STRENGTHS, alpha_per_target=True)).fit(train.z, values)
    parts = [np.split(readout.predict(some.z).reshape(len(some.z), -1), ends, axis=1) for some in sets]
    return [dict(zip(train.factors, part, strict=True)) for part in parts]


def _leaked(name: str, train: Seen, read: np.ndarray, test: Seen, read_test: np.ndarray) -> float:
    """What the other pure factors explain of a readout; the line between them is fitted to training samples."""
    others = [k for k, factor in train.factors.items() if k != name and factor.pure and train.factors[name].pure]
    if not others:
        return float("nan")
    known, known_test = (np.concatenate([some.factors[k].values for k in others], axis=1) for some in (train, test))
    explained = LinearRegression().fit(known, read).predict(known_test)
    true = float(test.factors[name].values.var(axis=0).sum())
    if true < _LEAST:
        return float("nan")
    return max(0.0, float(_share(explained, read_test) * read_test.var(axis=0).sum() / true))


def _judged(factor: Factor, read: np.ndarray, leaked: float) -> Purity:
    right = np.full((1, 1), np.nan)
    if factor.symbols is not None:
        right = (factor.symbols(read) == factor.symbols(factor.values)).astype(float)
    return Purity(_share(read, factor.values), float(right.mean()), float(right.prod(axis=1).mean()), leaked)


def _rounded(values: np.ndarray) -> np.ndarray:
    """Bits that numbers (N, K) are nearest to."""
    return values > 0.5


def _largest(values: np.ndarray) -> np.ndarray:
    """Class (N, 1) whose number of (N, K) is the largest."""
    return values.argmax(axis=1)[:, None]


def _share(read: np.ndarray, true: np.ndarray) -> float:
    """R^2 over those of the numbers that vary, each weighing as much as its variance."""
    varies = true.var(axis=0) > _LEAST
    if not varies.any():
        return float("nan")
    return float(r2_score(true[:, varies], read[:, varies], multioutput="variance_weighted"))
