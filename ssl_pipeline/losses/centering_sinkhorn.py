"""From a teacher's scores to probabilities that do not all choose the same prototype."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ssl_pipeline.config.registry import register
from ssl_pipeline.utils import distributed


class Balancing(nn.Module, ABC):
    """Scores of prototypes to probabilities."""

    count: int | None = None
    """Number of prototypes, where it must be known beforehand."""

    over_batch: ClassVar[bool] = False
    """Whether what it says of a row depends on the other rows."""

    @abstractmethod
    def forward(self, scores: Float[Tensor, "B K"]) -> Float[Tensor, "B K"]:
        """Probabilities of each row."""

    @abstractmethod
    def prevents_collapse(self, temperature: float) -> bool:
        """Whether neither one prototype for all nor all alike is best for a student of this temperature."""

    def remember(self, scores: Tensor) -> None:
        """Keep what later steps need of the scores (M, K) of a step."""


def sinkhorn(scores: Float[Tensor, "B K"], iterations: int, temperature: float) -> Float[Tensor, "B K"]:
    """SwAV's codes (arXiv 2006.09882): over the batch of all ranks each prototype is given equal weight.

    Sinkhorn-Knopp in logarithms: columns and rows in turn are scaled to equal sums, rows last.

    Args:
        scores: of this rank's samples.
        iterations: number of turns.
        temperature: divides the scores.
    """
    log_p = scores.float() / temperature
    for _ in range(iterations):
        log_p = log_p - distributed.gather_plain(log_p.logsumexp(0, keepdim=True)).logsumexp(0)
        log_p = log_p.log_softmax(1)
    return log_p.exp()


@register("balance", "centering")
class Centering(Balancing):
    """Softmax of scores from which a running mean over all ranks is taken (DINO, arXiv 2104.14294).

    Args:
        count: number of prototypes.
        momentum: share of the mean that stays at each step.
        temperature: divides the scores; below the student's it sharpens, or all prototypes are chosen alike.

    Raises:
        ValueError: no prototype; ``momentum`` outside [0, 1]; ``temperature`` not positive; scores of another number
            of prototypes.
    """

    centre: Tensor

    def __init__(self, count: int, momentum: float = 0.9, temperature: float = 0.04) -> None:
        super().__init__()
        if count < 1 or temperature <= 0:
            raise ValueError(f"count={count}, temperature={temperature}: expected positive numbers")
        if not 0 <= momentum <= 1:
            raise ValueError(f"momentum={momentum}: expected a share from 0 to 1")
        self.count, self.momentum, self.temperature = count, momentum, temperature
        self.register_buffer("centre", torch.zeros(count))

    def forward(self, scores: Float[Tensor, "B K"]) -> Float[Tensor, "B K"]:
        """Probabilities of each row."""
        if scores.shape[1] != len(self.centre):
            raise ValueError(
                f"the centre is one of {len(self.centre)} prototypes and was given scores of {scores.shape[1]}: "
                f"set count to the number of prototypes"
            )
        return ((scores.float() - self.centre) / self.temperature).softmax(1)

    def prevents_collapse(self, temperature: float) -> bool:
        """Where it sharpens: the centre alone makes all prototypes alike."""
        return self.temperature < temperature

    @torch.no_grad()
    def remember(self, scores: Tensor) -> None:
        """Move the centre towards the mean."""
        if self.training:
            mean = distributed.gather_plain(scores.float().mean(0, keepdim=True)).mean(0)
            self.centre.lerp_(mean, 1 - self.momentum)


@register("balance", "sinkhorn")
class Sinkhorn(Balancing):
    """Codes that give every prototype equal weight in the batch.

    Args:
        iterations: number of turns between prototypes and samples.
        temperature: divides the scores.

    Raises:
        ValueError: no iteration; ``temperature`` not positive.
    """

    over_batch = True

    def __init__(self, iterations: int = 3, temperature: float = 0.05) -> None:
        super().__init__()
        if iterations < 1 or temperature <= 0:
            raise ValueError(f"iterations={iterations}, temperature={temperature}: expected positive numbers")
        self.iterations, self.temperature = iterations, temperature

    def prevents_collapse(self, temperature: float) -> bool:
        """Always: every prototype has its share."""
        return True

    @torch.no_grad()
    def forward(self, scores: Float[Tensor, "B K"]) -> Float[Tensor, "B K"]:
        """Probabilities of each row."""
        return sinkhorn(scores, self.iterations, self.temperature)
