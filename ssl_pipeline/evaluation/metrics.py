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


def alpha_req(z: np.ndarray, first: int = 3, last: int = 100) -> float:
    """How fast the eigenvalues of the covariance fall: the exponent a of j^-a (alpha-ReQ, OpenReview ii9X4vtZGTZ).

    About 1 is well: a small one keeps noise, a large one has lost all but a few directions.

    Args:
        z: embeddings (N, D) that differ in ``first + 1`` directions at least; nan for fewer.
        first: eigenvalue, from 1 on, with which the fit begins.
        last: with which it ends, at most.

    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(5000, 50)) * np.arange(1, 51) ** -0.75
    >>> round(alpha_req(z), 1)
    1.5
    """
    z = z.astype(np.float64)  # first, or else what the mean is rounded by passes for a direction
    s = np.linalg.svd(z - z.mean(axis=0), compute_uv=False)
    eigenvalues = np.square(s[s > 1e-9 * s[0]])[first - 1 : last]
    if len(eigenvalues) < 2:
        return float("nan")
    return -float(np.polyfit(np.log(np.arange(first, first + len(eigenvalues))), np.log(eigenvalues), 1)[0])


def lidar(z: np.ndarray, delta: float = 1e-4, eps: float = 1e-7) -> float:
    """Effective rank of what tells samples apart beyond what tells their views apart (LiDAR, arXiv 2312.04000).

    Args:
        z: embeddings (N, q, D) of q views of each of N samples, 2 of both at least.
        delta: added to the covariance within samples.
        eps: keeps the logarithm finite.

    >>> rng = np.random.default_rng(0)
    >>> sample, view = rng.normal(size=(500, 1, 4)), rng.normal(size=(500, 8, 4))
    >>> round(lidar(np.concatenate([sample + 0.1 * view, view], axis=2)), 1)
    4.0
    """
    z = z.astype(np.float64)
    n, q, width = z.shape
    means = z.mean(axis=1)
    within = (z - means[:, None]).reshape(-1, width)
    within = within.T @ within / (n * (q - 1)) + delta * np.eye(width)
    about = means - means.mean(axis=0)
    values, vectors = np.linalg.eigh(within)
    whitened = about @ (vectors / np.sqrt(values)) @ vectors.T
    eigenvalues = np.linalg.eigvalsh(whitened.T @ whitened / (n - 1)).clip(min=0)
    p = eigenvalues / max(eigenvalues.sum(), eps) + eps
    return float(np.exp(-(p * np.log(p)).sum()))
