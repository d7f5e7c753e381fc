"""Redundancy between dimensions reduced."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.losses.base import PairLoss
from ssl_pipeline.utils import distributed

EPS = 1e-5
"""Added to variances, so that a dimension that is constant has correlation 0 and a finite gradient."""


def barlow_twins(a: Float[Tensor, "B D"], b: Float[Tensor, "B D"], off_diagonal: float) -> Float[Tensor, ""]:
    """Barlow Twins (arXiv 2103.03230): squared distance of the views' cross-correlation matrix from the identity.

    Statistics are those of the batch of all ranks, divided by its size (not by one less).

    Args:
        a: embeddings of one view.
        b: embeddings of the other, row by row of the same samples.
        off_diagonal: weight of the squared correlations between different dimensions.

    Raises:
        ValueError: fewer than two samples.
    """
    a, b = (_standard(distributed.gather(z.float())) for z in (a, b))
    with torch.autocast(a.device.type, enabled=False):
        correlation = a.T @ b / len(a)
    same = correlation.diagonal()
    different = correlation.square().sum() - same.square().sum()
    return (same - 1).square().sum() + off_diagonal * different


def _standard(z: Tensor) -> Tensor:
    if len(z) < 2:
        raise ValueError(f"Barlow needs at least 2 samples to measure correlation, got {len(z)}; raise batch_size")
    return (z - z.mean(0)) * (z.var(0, unbiased=False) + EPS).rsqrt()


@register("loss", "barlow_twins")
class BarlowTwins(PairLoss):
    """Cross-correlation of the views drawn to the identity.

    Args:
        off_diagonal: weight of the squared correlations between different dimensions.

    Raises:
        ValueError: a negative weight.
    """

    prevents_collapse = True

    def __init__(self, off_diagonal: float = 0.005) -> None:
        super().__init__()
        if off_diagonal < 0:
            raise ValueError(f"off_diagonal={off_diagonal}: expected a weight, which is not negative")
        self.off_diagonal = off_diagonal

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Scalar from two (B, D) embeddings."""
        return barlow_twins(a, b, self.off_diagonal)
