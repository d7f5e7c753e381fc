"""Retrieval: is the nearest other sample one of the same source, and does a sample find what belongs to it?"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor
from torch.nn import functional as F


def retrieval(
    z: np.ndarray, source: np.ndarray, other_than: np.ndarray | None = None, ks: tuple[int, ...] = (1, 5)
) -> dict[str, float]:
    """Shares in percent of queries with a sample of their source among the ``k`` nearest others (recall at k).

    Only samples whose source has another candidate ask. Embeddings are centred, distances are cosines.

    Args:
        z: embeddings (N, D).
        source: what each was taken from (N,).
        other_than: labels (N,); candidates of a query are then only samples of other labels, as for the same prompt
            in another language.
        ks: numbers of neighbours.

    Returns:
        ``retrieval`` (k = 1), ``retrieval@K``, ``retrieval_chance`` (k = 1, candidates drawn at random); empty where
        no source has two samples.

    >>> z = np.array([[1.0, 0.1], [1.0, 0.0], [-1.0, 0.0], [-1.0, -0.1]])
    >>> retrieval(z, np.array([0, 0, 1, 1]), ks=(1,))
    {'retrieval': 100.0, 'retrieval_chance': 33.33}
    """
    n = len(z)
    groups = np.zeros(n, dtype=int) if other_than is None else other_than
    partners, candidates = _counts(source, groups, other_than is not None)
    asking = np.flatnonzero(partners > 0)
    if not len(asking):
        return {}
    # The nearest few that count stand among the nearest few in all, plus those that do not count.
    barred = 1 if other_than is None else int(np.bincount(groups).max())
    found = NearestNeighbors(n_neighbors=min(n, max(ks) + barred), metric="cosine", algorithm="brute").fit(
        z - z.mean(0)
    )
    near = found.kneighbors((z - z.mean(0))[asking], return_distance=False)
    counts = near != asking[:, None] if other_than is None else groups[near] != groups[asking][:, None]
    rank = np.where(counts, counts.cumsum(1), n + 1)
    same = source[near] == source[asking][:, None]
    best = np.where(same, rank, n + 1).min(1)
    scores = {"retrieval" if k == 1 else f"retrieval@{k}": 100 * float((best <= k).mean()) for k in ks}
    return scores | {"retrieval_chance": round(100 * float((partners / candidates)[asking].mean()), 2)}


def found_among(own: Tensor, theirs: Tensor, which: Tensor) -> tuple[float, float]:
    """How often what belongs to a sample is the nearest one, and how often that would be by chance, in percent.

    Args:
        own: embeddings (N, D) of samples.
        theirs: (N, D) of what belongs to them.
        which: (N,) number of that, the same where it is the same.

    >>> z = torch.eye(3)
    >>> found_among(z, z, torch.arange(3))[0], found_among(z, z.roll(1, 0), torch.arange(3))[0]
    (100.0, 0.0)
    """
    count = int(which.max()) + 1
    first = torch.full((count,), len(which), device=which.device).scatter_reduce(
        0, which, torch.arange(len(which), device=which.device), "amin"
    )
    nearest = (F.normalize(own, dim=1) @ F.normalize(theirs[first], dim=1).T).argmax(1)
    return 100 * (nearest == which).float().mean().item(), 100 / count


def _counts(source: np.ndarray, groups: np.ndarray, across: bool) -> tuple[np.ndarray, np.ndarray]:
    """For each sample, how many candidates share its source, and how many candidates there are."""
    _, which, size = np.unique(source, return_inverse=True, return_counts=True)
    if not across:
        return size[which] - 1, np.full(len(source), max(1, len(source) - 1))
    _, pair, mine = np.unique(np.stack([which, groups]), axis=1, return_inverse=True, return_counts=True)
    _, group, of_group = np.unique(groups, return_inverse=True, return_counts=True)
    return size[which] - mine[pair.reshape(-1)], np.maximum(1, len(source) - of_group[group])
