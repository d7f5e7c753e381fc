"""Signs of collapse in the embeddings of a batch. One alone deceives: rank ignores scale, and spread ignores rank."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import torch

from ssl_pipeline.diagnostics.rank import entropy_rank
from ssl_pipeline.evaluation.metrics import spread

_CONSTANT = 0.01
"""Normalised spread below which embeddings are one constant: cosines above 0.9999, and bfloat16 alone makes 0.002."""

LINE = 2.0
"""Effective rank below which one direction holds most of what varies."""


class Signs(NamedTuple):
    """What says whether the embeddings (N, D) of one view still tell samples apart."""

    std: float  # mean standard deviation of the dimensions, in the embedding's own units
    spread: float  # the same of the embeddings at length 1, times sqrt(D)
    rank: float  # effective rank about the mean


def signs(z: np.ndarray) -> Signs:
    """The signs of embeddings (N, D); all are nan where some number is not finite."""
    if not np.isfinite(z).all():
        return Signs(*[float("nan")] * 3)
    return Signs(spread(z), normalized_spread(z), centred_rank(z))


def normalized_spread(z: np.ndarray) -> float:
    """Spread of embeddings (N, D) on the unit sphere, whatever their length.

    About 1 for directions all round, s for a common vector with s as much noise on it, 0 for one constant.

    >>> z = np.random.default_rng(0).normal(size=(500, 32))
    >>> round(normalized_spread(7 * z), 1), round(normalized_spread(7 * (1 + 0.02 * z)), 2)
    (1.0, 0.02)
    """
    unit = z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)
    return spread(unit) * z.shape[1] ** 0.5


def centred_rank(z: np.ndarray) -> float:
    """RankMe (arXiv 2210.02885) of embeddings (N, D) about their mean; 1 where nothing varies.

    A vector that is common to all samples would count as one huge direction; that is what the spread shows.

    >>> z = np.random.default_rng(0).normal(size=(500, 1)) * np.ones(32)
    >>> round(centred_rank(z + 9), 2)
    1.0
    """
    z = z.astype(np.float64)
    z = z - z.mean(axis=0)
    gram = z @ z.T if len(z) < z.shape[1] else z.T @ z  # its eigenvalues take a fraction of the time of an SVD
    s = np.sqrt(np.linalg.eigvalsh(gram).clip(min=0))
    return float(entropy_rank(torch.from_numpy(s), floor=0))


def gap(views: Sequence[np.ndarray]) -> float:
    """How far apart views of the same samples lie: root mean squared distance over standard deviation, mean of pairs.

    0 where the views of a sample coincide, sqrt(2) where they have no more in common than other samples; above that
    where each view keeps to a place of its own. nan where nothing varies.

    Args:
        views: two or more (N, D), row i of all from sample i.

    >>> z = np.random.default_rng(0).normal(size=(2, 5000, 8))
    >>> gap([z[0], z[0]]), round(gap([z[0], z[1]]), 1)
    (0.0, 1.4)
    """
    found = []
    for a, b in combinations(views, 2):
        distance, variance = np.square(a - b).sum(1).mean(), (a.var(axis=0).sum() + b.var(axis=0).sum()) / 2
        found.append((distance / variance) ** 0.5 if variance > 0 else np.nan)
    return float(np.mean(found))


def collapsed(found: Signs, samples: int, width: int) -> dict[str, str]:
    """By kind of collapse, what is wrong, as the middle of a sentence; empty for embeddings that are well.

    Args:
        found: of one view.
        samples: N that they were taken from; fewer than 8 span too little to speak of a rank.
        width: D.
    """
    alarms = {}
    if found.spread < _CONSTANT:
        seen = f"normalised std {found.spread:.2g}; about 1 where they are spread"
        alarms["constant"] = f"have nearly become one constant ({seen})"
    elif found.rank < LINE and min(samples, width) >= 8:
        seen = f"effective rank {found.rank:.1f} of at most {min(samples - 1, width)}"
        alarms["line"] = f"vary along one direction only ({seen})"
    return alarms
