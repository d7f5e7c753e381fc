"""The two kinds of energy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn


class ReconstructionEnergy(nn.Module, ABC):
    """Between decoded and true patches.

    Attributes:
        discrete: whether it compares symbols; else it compares numbers.
    """

    discrete: ClassVar[bool] = False

    @abstractmethod
    def per_place(self, prediction: Tensor, target: Tensor) -> Tensor:
        """(B, Q) energies from (B, Q, P) predictions (logits on a discrete grid) and (B, Q, P) targets."""

    def forward(self, prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Scalar: the mean over places, each counted by its weight (B, Q)."""
        error = self.per_place(prediction, target)
        return error.mean() if weight is None else (error * weight).sum() / weight.sum().clamp(min=1e-6)


class PairEnergy(nn.Module, ABC):
    """Between the embeddings of two views of the same samples, over the batch of all ranks."""

    prevents_collapse: ClassVar[bool]
    """Whether a constant embedding is not among its minima."""

    @abstractmethod
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Scalar from two (B, D) embeddings, row i of both from sample i."""
