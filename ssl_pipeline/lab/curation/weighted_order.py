"""An epoch whose samples come as often as their weights say: a pure function of seed, epoch and weights."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ssl_pipeline.data.sampling import EpochOrder, epoch_order
from ssl_pipeline.structures.random import generator


def weighted_order(weights: Float[Tensor, "N"], seed: int, epoch: int) -> Int64[Tensor, "N"]:
    """Order of an epoch of ``N`` draws by systematic sampling: each sample comes as often as its share, up or down.

    With equal weights every sample comes once. The draws are those of points at equal distances on a line on which the
    samples lie in random order, each as long as its weight.

    Args:
        weights: not negative, in any unit.
        seed: of the run.
        epoch: number of the epoch.

    Raises:
        ValueError: weights that are no numbers, negative, or all zero.

    >>> weighted_order(torch.tensor([0.0, 1.0, 3.0]), seed=0, epoch=0).bincount().sum()
    tensor(3)
    >>> weighted_order(torch.full((5,), 0.3), seed=0, epoch=1).sort().values
    tensor([0, 1, 2, 3, 4])
    """
    n = len(weights)
    if not torch.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        raise ValueError("expected finite weights that are not negative and not all zero, got others: check the scores")
    drawn = generator("cpu", seed, "weighted", epoch)
    line = epoch_order(n, seed, epoch)
    ends = weights.double()[line].cumsum(0)
    points = (torch.arange(n) + torch.rand((), generator=drawn, dtype=torch.float64)) * (ends[-1] / n)
    found = torch.searchsorted(ends, points, right=True).clamp(max=n - 1)
    return line[found][torch.randperm(n, generator=drawn)]


class WeightedOrder(EpochOrder):
    """Samples of each epoch in the order of ``weighted_order``; all of them once while there are no weights.

    Weights may change between epochs alone: who iterates has asked for the order of the whole epoch.

    Args:
        sources: what each sample was taken from.
        seed: of the order.

    Attributes:
        weights: of each sample, (N,); None: all alike.
    """

    def __init__(self, sources: Int64[Tensor, "N"], seed: int) -> None:
        super().__init__(sources, seed)
        self.weights: Tensor | None = None

    def __call__(self, epoch: int) -> Int64[Tensor, "N"]:
        """Indices of the samples."""
        return super().__call__(epoch) if self.weights is None else weighted_order(self.weights, self.seed, epoch)
