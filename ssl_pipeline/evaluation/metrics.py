"""What an embedding's numbers say without labels."""

from __future__ import annotations

import numpy as np


def rankme(z: np.ndarray, eps: float = 1e-7) -> float:
    """Effective rank: exponential of the entropy of the singular values (RankMe, arXiv 2210.02885).

    Args:
        z: embeddings (N, D).
        eps: keeps the logarithm finite.

    >>> round(rankme(np.eye(4)), 3)
    4.0
    """
    s = np.linalg.svd(z.astype(np.float64), compute_uv=False)
    p = s / max(s.sum(), eps) + eps
    return float(np.exp(-(p * np.log(p)).sum()))


def spread(z: np.ndarray) -> float:
    """Mean standard deviation of the dimensions of embeddings (N, D); near 0 under collapse."""
    return float(z.std(axis=0).mean())
