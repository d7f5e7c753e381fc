"""Retrieval: is the nearest other sample one of the same source?"""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import NearestNeighbors


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


def _counts(source: np.ndarray, groups: np.ndarray, across: bool) -> tuple[np.ndarray, np.ndarray]:
    """For each sample, how many candidates share its source, and how many candidates there are."""
    _, which, size = np.unique(source, return_inverse=True, return_counts=True)
    if not across:
        return size[which] - 1, np.full(len(source), max(1, len(source) - 1))
    _, pair, mine = np.unique(np.stack([which, groups]), axis=1, return_inverse=True, return_counts=True)
    _, group, of_group = np.unique(groups, return_inverse=True, return_counts=True)
    return size[which] - mine[pair.reshape(-1)], np.maximum(1, len(source) - of_group[group])
