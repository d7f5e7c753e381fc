"""Probes: small classifiers on frozen features. They never train the encoder."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

Labelled = tuple[np.ndarray, np.ndarray]
"""Features (N, D) and their labels (N,)."""

Classifier = Callable[[np.ndarray], np.ndarray]
"""Features (N, D) to labels (N,)."""

Scaler = Callable[[], Any]
"""Makes a transformer of scikit-learn: what is done to features before a linear probe."""

C_VALUES = (0.01, 0.1, 1.0)
"""Inverse strengths of the L2 penalty, of which a linear probe takes one."""

LEAST_TO_CHOOSE = 500
"""Samples from which on it is chosen; of fewer, ``C`` is 1."""


class OneScale(TransformerMixin, BaseEstimator):
    """Mean 0, and one factor for all features, so that the mean of their variances is 1.

    For principal components: of each its own would make as much of the last ones as of the first.

    >>> x = np.array([[3.0, 1.0], [-3.0, 1.0]])
    >>> OneScale().fit_transform(x).round(3).tolist()
    [[1.414, 0.0], [-1.414, 0.0]]
    """

    def fit(self, x: np.ndarray, y: np.ndarray | None = None) -> OneScale:
        """Take mean and scale of features (N, D)."""
        self.mean_ = x.mean(axis=0)
        self.scale_ = np.sqrt(x.var(axis=0).mean()) or 1.0
        return self

    def transform(self, x: np.ndarray) -> np.ndarray:
        """Features (N, D) in these terms."""
        return (x - self.mean_) / self.scale_


class RowSpace(TransformerMixin, BaseEstimator):
    """Features (N, D) along an orthonormal basis of the N training samples, where these are fewer than D / 2.

    The weights of a linear probe with an L2 penalty lie in the space that its samples span, so it finds the same there.

    >>> x = np.array([[3.0, 0.0, 4.0]])
    >>> abs(RowSpace().fit_transform(x)).round(6).tolist()
    [[5.0]]
    """

    def fit(self, x: np.ndarray, y: np.ndarray | None = None) -> RowSpace:
        """Take the basis of features (N, D)."""
        self.basis_ = np.linalg.qr(x.T)[0] if 2 * len(x) < x.shape[1] else None
        return self

    def transform(self, x: np.ndarray) -> np.ndarray:
        """Features (N, D) along the basis."""
        return x if self.basis_ is None else x @ self.basis_


def nearest_neighbours(train: Labelled, k: int = 20, temperature: float = 0.07) -> Classifier:
    """The vote of the ``k`` nearest by cosine (arXiv 1805.01978).

    Features are centred on the training mean; a vote weighs ``exp(cosine / temperature)``.
    """
    mean = train[0].mean(axis=0)
    model = KNeighborsClassifier(
        min(k, len(train[0])),
        metric="cosine",
        algorithm="brute",
        weights=lambda distance: np.exp(-distance / temperature),  # pyright: ignore[reportArgumentType]
    )
    model.fit(train[0] - mean, train[1])
    return lambda z: model.predict(z - mean)


def logistic(train: Labelled, scaler: Scaler = StandardScaler, max_iter: int = 1000) -> Classifier:
    """An L-BFGS logistic regression with an L2 penalty that is chosen on a fifth of its samples, held out for that.

    As in the linear probe of CLIP (arXiv 2103.00020, A.3), coarser: with one penalty for all, wide features would be
    fitted too closely, and narrow ones not closely enough.

    Args:
        train: features and labels to fit.
        scaler: what is done to the features; by default each is brought to mean 0 and standard deviation 1.
        max_iter: bound on the iterations, which fits seldom reach; one that does is taken as it is.
    """
    scale = make_pipeline(scaler(), RowSpace())
    z, labels = scale.fit_transform(train[0]), train[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=_chosen_c(z, labels, max_iter), max_iter=max_iter).fit(z, labels)
    return make_pipeline(scale, model).predict


def _chosen_c(z: np.ndarray, labels: np.ndarray, max_iter: int) -> float:
    """Of ``C_VALUES`` the one that names most held-out samples rightly, the least of equals."""
    held, kept = np.split(np.random.default_rng(0).permutation(len(labels)), [len(labels) // 5])
    if len(labels) < LEAST_TO_CHOOSE or len(np.unique(labels[kept])) < 2:
        return 1.0
    model = LogisticRegression(max_iter=max_iter, warm_start=True)  # each fit goes on from the one before

    def right(c: float) -> float:
        model.set_params(C=c).fit(z[kept], labels[kept])
        return float(model.score(z[held], labels[held]))

    return max(C_VALUES, key=right)


def accuracy(classifier: Classifier, test: Labelled) -> float:
    """In percent.

    >>> accuracy(lambda z: z > 0, (np.array([1.0, -1.0]), np.array([True, True])))
    50.0
    """
    return 100 * float(np.mean(classifier(test[0]) == test[1]))


def both_accuracies(labels: np.ndarray, named: np.ndarray) -> tuple[float, float]:
    """Accuracy, and balanced accuracy: the mean over the classes of the share of each that is found; both in percent.

    Args:
        labels: (N,) of the samples.
        named: (N,) what a classifier takes them for.

    >>> both_accuracies(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0]))
    (75.0, 50.0)
    """
    right = labels == named
    found = [right[labels == label].mean() for label in np.unique(labels)]
    return 100 * float(right.mean()), 100 * float(np.mean(found))


def majority(train: np.ndarray, test: np.ndarray) -> tuple[float, float]:
    """``both_accuracies`` of always naming the class that most of the training labels (N,) are, on test labels (M,)."""
    classes, counts = np.unique(train, return_counts=True)
    return both_accuracies(test, np.full_like(test, classes[counts.argmax()]))


def knn(train: Labelled, test: Labelled, k: int = 20, temperature: float = 0.07) -> float:
    """Accuracy in percent of ``nearest_neighbours``."""
    return accuracy(nearest_neighbours(train, k, temperature), test)


def linear(train: Labelled, test: Labelled, *, scaler: Scaler = StandardScaler, max_iter: int = 1000) -> float:
    """Accuracy in percent of ``logistic``."""
    return accuracy(logistic(train, scaler, max_iter), test)


def few_label(
    train: Labelled, test: Labelled, *, per_class: int | float = 5, draws: int = 20, scaler: Scaler = StandardScaler
) -> tuple[float, float]:
    """Mean and standard deviation over draws of ``linear`` with a few labels a class.

    Args:
        train: features and labels to draw from.
        test: features and labels to score.
        per_class: labels a class, or below 1 the share of each class, one at least; a class with fewer gives all.
        draws: number of draws, seeded 0, 1, ...
        scaler: as in ``linear``.
    """
    scores = [
        linear((train[0][rows], train[1][rows]), test, scaler=scaler)
        for rows in (draw_labelled(train[1], per_class, seed) for seed in range(draws))
    ]
    return float(np.mean(scores)), float(np.std(scores))


def draw_labelled(labels: np.ndarray, per_class: int | float, seed: int) -> np.ndarray:
    """Places of the labels that are drawn."""
    order = np.random.default_rng(seed).permutation(len(labels))
    of_class = [order[labels[order] == label] for label in np.unique(labels)]
    counts = [per_class if per_class >= 1 else max(1, round(per_class * len(rows))) for rows in of_class]
    return np.concatenate([rows[: int(count)] for rows, count in zip(of_class, counts, strict=True)])
