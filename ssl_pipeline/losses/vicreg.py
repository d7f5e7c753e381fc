"""Attraction with variance and covariance kept."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.losses.base import PairLoss
from ssl_pipeline.utils import distributed


def vicreg(
    a: Float[Tensor, "B D"], b: Float[Tensor, "B D"], invariance: float, variance: float, covariance: float
) -> Float[Tensor, ""]:
    """VICReg (arXiv 2105.04906): distance, hinge on each dimension's standard deviation, squared covariances.

    Statistics are those of the batch of all ranks.

    Raises:
        ValueError: fewer than two samples.
    """
    a, b = distributed.gather(a.float()), distributed.gather(b.float())
    if len(a) < 2:
        raise ValueError(f"VICReg needs at least 2 samples to measure variance, got {len(a)}; raise batch_size")
    spread = sum(F.relu(1 - (z.var(0) + 1e-4).sqrt()).mean() for z in (a, b)) / 2
    return invariance * F.mse_loss(a, b) + variance * spread + covariance * sum(_off_diagonal(z) for z in (a, b))


def _off_diagonal(z: Tensor) -> Tensor:
    z = z - z.mean(0)
    with torch.autocast(z.device.type, enabled=False):
        cov = z.T @ z / (len(z) - 1)
    return (cov.square().sum() - cov.diagonal().square().sum()) / z.shape[1]


@register("loss", "vicreg")
class VICReg(PairLoss):
    """Variance-invariance-covariance regularisation.

    Args:
        invariance: weight of the distance between the views.
        variance: weight of the hinge on standard deviations.
        covariance: weight of the squared covariances.

    Raises:
        ValueError: a negative weight.
    """

    def __init__(self, invariance: float = 25.0, variance: float = 25.0, covariance: float = 1.0) -> None:
        super().__init__()
        if min(invariance, variance, covariance) < 0:
            raise ValueError(f"VICReg's weights must not be negative, got {invariance}, {variance}, {covariance}")
        self.invariance, self.variance, self.covariance = invariance, variance, covariance

    @property
    def prevents_collapse(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """True while the variance term has a weight."""
        return self.variance > 0

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Scalar from two (B, D) embeddings."""
        return vicreg(a, b, self.invariance, self.variance, self.covariance)
