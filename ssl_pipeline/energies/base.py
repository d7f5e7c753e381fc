"""The two kinds of energy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from ssl_pipeline import distributed


class ReconstructionEnergy(nn.Module, ABC):
    """Between decoded and true patches.

    Attributes:
        discrete: whether it compares symbols; else it compares numbers.
        whole: whether it compares whole signals (B, C, T), their channels taking the place of patches.
    """

    discrete: ClassVar[bool] = False
    whole: ClassVar[bool] = False

    @abstractmethod
    def per_place(self, prediction: Tensor, target: Tensor) -> Tensor:
        """(B, Q) energies from (B, Q, P) predictions (logits on a discrete grid) and (B, Q, P) targets."""

    def per_sample(self, prediction: Tensor, target: Tensor) -> Tensor:
        """(B,) energies: the mean over places."""
        return self.per_place(prediction, target).mean(1)

    def forward(self, prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Scalar: the mean over places of all ranks, each counted by its weight (B, Q)."""
        error = self.per_place(prediction, target)
        if weight is None:
            return error.mean()
        total = distributed.gather_plain(weight.sum().detach().view(1)).sum()
        return (error * weight).sum() * distributed.world_size() / total.clamp(min=1e-6)


class PairEnergy(nn.Module, ABC):
    """Between the embeddings of two views of the same samples, over the batch of all ranks."""

    prevents_collapse: ClassVar[bool]
    """Whether a constant embedding is not among its minima."""

    knows_sources: ClassVar[bool] = False
    """Whether it can take samples of the same source for the same thing."""

    directed: ClassVar[bool] = False
    """Whether ``b`` is a target: it comes without a gradient, and the two must not be exchanged."""

    @abstractmethod
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Scalar from two (B, D) embeddings, row i of both from sample i."""

    def by_source(self, z: Tensor, source: Tensor) -> Tensor:
        """Scalar from (M, D) embeddings of any samples, those of the same ``source`` (M,) belonging together."""
        raise NotImplementedError

    def remember(self, targets: Tensor) -> None:
        """Keep what later steps need of the targets (M, D) of a step, all views together; in training mode only.

        To be called once a step, after all its pairs: a target of this step that is already remembered would be a
        negative for another view of the same sample.
        """
