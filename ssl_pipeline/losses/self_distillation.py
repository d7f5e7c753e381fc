"""The student chooses the prototypes that the teacher chooses."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.losses.base import PairLoss
from ssl_pipeline.losses.centering_sinkhorn import Balancing


def self_distillation(
    scores: Float[Tensor, "B K"], target: Float[Tensor, "B K"], temperature: float
) -> Float[Tensor, ""]:
    """Cross-entropy between a teacher's probabilities and a student's scores (DINO, arXiv 2104.14294), in nats.

    Args:
        scores: of the student.
        target: probabilities.
        temperature: divides the scores.
    """
    return F.cross_entropy(scores.float() / temperature, target)


@register("loss", "self_distillation", parts={"balance": "balance"})
class SelfDistillation(PairLoss):
    """Cross-entropy of scores of prototypes with the balanced ones of a teacher.

    Args:
        balance: makes the teacher's probabilities: ``Centering`` (DINO) or ``Sinkhorn`` (SwAV, arXiv 2006.09882).
        temperature: divides the student's scores.

    Raises:
        ValueError: ``temperature`` not positive.
    """

    directed = True
    over_batch = False  # but for its balance

    def __init__(self, balance: Balancing, temperature: float = 0.1) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f"temperature={temperature}: expected a positive number")
        self.balance, self.temperature = balance, temperature

    @property
    def prevents_collapse(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the balance does."""
        return self.balance.prevents_collapse(self.temperature)

    @property
    def presumes(self) -> tuple[str, int] | None:
        """The balance's number of prototypes, where it has one."""
        return None if self.balance.count is None else ("balance.count", self.balance.count)

    @property
    def rates_samples(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Unless the balance depends on the rest of the batch, of all ranks."""
        return not self.balance.over_batch

    @torch.no_grad()
    def target(self, said: Tensor) -> Tensor:
        """The balanced probabilities (B, K) of all of a view's scores."""
        return self.balance(said)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Scalar from the student's scores and the teacher's probabilities, (B, K) each."""
        return self_distillation(a, b, self.temperature)

    def per_sample(self, a: Tensor, b: Tensor) -> Tensor:
        """Cross-entropy (B,) of each sample."""
        return F.cross_entropy(a.float() / self.temperature, b, reduction="none")

    def remember(self, said: Tensor) -> None:
        """Show the balance the teacher's scores."""
        self.balance.remember(said)
