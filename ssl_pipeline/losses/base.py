"""The two kinds of loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar

from torch import Tensor, nn

from ssl_pipeline.utils import distributed


class ReconstructionLoss(nn.Module, ABC):
    """Between decoded and true patches; least where both are equal.

    Attributes:
        discrete: whether it compares symbols; else it compares numbers.
        whole: whether it compares whole signals (B, C, T), their channels taking the place of patches.
    """

    discrete: ClassVar[bool] = False
    whole: ClassVar[bool] = False

    @abstractmethod
    def per_place(self, prediction: Tensor, target: Tensor) -> Tensor:
        """(B, Q) losses from (B, Q, P) predictions (logits on a discrete grid) and (B, Q, P) targets."""

    def per_sample(self, prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """(B,) losses: the mean over places, each counted by its weight (B, Q)."""
        error = self.per_place(prediction, target)
        return error.mean(1) if weight is None else (error * weight).sum(1) / weight.sum(1).clamp(min=1e-6)

    def forward(self, prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Scalar: the mean over places of all ranks, each counted by its weight (B, Q)."""
        error = self.per_place(prediction, target)
        if weight is None:
            return error.mean()
        total = distributed.gather_plain(weight.sum().detach().view(1)).sum()
        return (error * weight).sum() * distributed.world_size() / total.clamp(min=1e-6)


class PairLoss(nn.Module, ABC):
    """Between the embeddings of two views of the same samples, over the batch of all ranks."""

    prevents_collapse: ClassVar[bool]
    """Whether a constant embedding is not among its minima."""

    over_batch: bool = True
    """Whether what it says of a sample depends on the others that stand in its batch."""

    knows_sources: ClassVar[bool] = False
    """Whether it can take samples of the same source for the same thing."""

    directed: ClassVar[bool] = False
    """Whether ``b`` is a target: it comes without a gradient, and the two must not be exchanged."""

    rates_samples: ClassVar[bool] = False
    """Whether it is a mean over samples, of which ``per_sample`` tells each."""

    contrasts: ClassVar[bool] = False
    """Whether ``forward`` takes as ``others`` the embeddings (M, D) of further samples of the step."""

    takes_all: ClassVar[bool] = False
    """Whether it compares all views of a sample at once, by ``of_all``, and not two at a time."""

    @property
    def presumes(self) -> tuple[str, int] | None:
        """Which of its settings fixes the embeddings' width, and at what; None: any width will do."""
        return None

    def target(self, said: Tensor) -> Tensor:
        """What ``forward`` takes for ``b``, row by row, from all that a teacher said (B, D) of one view.

        To be called once a view and step, alike on all ranks, before rows are dealt out to pairs.
        """
        return said

    @abstractmethod
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Scalar from two (B, D) embeddings, row i of both from sample i; of a directed one ``b`` is a ``target``."""

    def per_sample(self, a: Tensor, b: Tensor) -> Tensor:
        """(B,) losses of the samples, arguments as in ``forward``; compares with no other rank."""
        raise NotImplementedError

    def of_all(self, groups: Sequence[Mapping[str, Tensor]], anchors: Collection[str] | None = None) -> Tensor:
        """Scalar from the embeddings of all views.

        Args:
            groups: samples that pass the same views: by view (N, D), row i of all from one sample.
            anchors: views that the others are drawn to; None: all.
        """
        raise NotImplementedError

    def by_source(self, z: Tensor, source: Tensor) -> Tensor:
        """Scalar from (M, D) embeddings of any samples, those of the same ``source`` (M,) belonging together."""
        raise NotImplementedError

    def remember(self, said: Tensor) -> None:
        """Keep what later steps need of what the teacher said (M, D) in a step, all views together; in training only.

        To be called once a step, after all its pairs: a target of this step that is already remembered would be a
        negative for another view of the same sample.
        """
