"""The optimiser's recipe: parameter groups, batch-size rule and schedule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi, sqrt

from timm.optim import param_groups_weight_decay  # pyright: ignore[reportPrivateImportUsage]
from torch import nn
from torch.optim import Optimizer

RULES: dict[str, Callable[[float], float]] = {"none": lambda ratio: 1.0, "sqrt": sqrt, "linear": float}


@dataclass(frozen=True)
class Recipe:
    """What an optimiser needs to be told.

    Args:
        make: called with parameter groups and ``lr``, makes the optimiser.
        lr: highest learning rate for a global batch of ``base_batch``.
        weight_decay: for matrices; vectors, norms and biases have none.
        scale: how the rate grows with the global batch: ``none``, ``sqrt`` or ``linear``.
        base_batch: global batch for which ``lr`` is meant.
        warmup: share of the training in which the rate rises linearly.
        final: share of the highest rate at which the cosine ends.

    Raises:
        ValueError: a number outside its range, an unknown rule.
    """

    make: Callable[..., Optimizer]
    lr: float = 1e-3
    weight_decay: float = 0.05
    scale: str = "none"
    base_batch: int = 256
    warmup: float = 0.05
    final: float = 0.0

    def __post_init__(self) -> None:
        if self.scale not in RULES:
            raise ValueError(f"optimizer.scale={self.scale!r} is not known; take one of {', '.join(RULES)}")
        if self.lr <= 0 or self.weight_decay < 0 or self.base_batch < 1:
            raise ValueError(
                f"expected a positive optimizer.lr and base_batch and no negative weight_decay, "
                f"got lr={self.lr}, base_batch={self.base_batch}, weight_decay={self.weight_decay}"
            )
        if not (0 <= self.warmup < 1 and 0 <= self.final <= 1):
            raise ValueError(f"optimizer.warmup={self.warmup} and final={self.final}: expected shares from 0 to 1")

    def peak(self, batch_size: int) -> float:
        """Highest learning rate for a global batch."""
        return self.lr * RULES[self.scale](batch_size / self.base_batch)

    def rate(self, progress: float) -> float:
        """Share of the highest rate at a progress from 0 to 1: linear warm-up, then half a cosine (arXiv 1608.03983).

        >>> from torch.optim import AdamW
        >>> recipe = Recipe(make=AdamW, warmup=0.1)
        >>> [round(recipe.rate(p), 2) for p in (0.05, 0.1, 0.55, 1.0)]
        [0.5, 1.0, 0.5, 0.0]
        """
        if progress < self.warmup:
            return progress / self.warmup
        done = min(1.0, (progress - self.warmup) / (1 - self.warmup))
        return self.final + (1 - self.final) * (1 + cos(pi * done)) / 2

    def optimizer(self, model: nn.Module, batch_size: int) -> Optimizer:
        """The optimiser of a model, with matrices and vectors in groups of their own."""
        return self.make(param_groups_weight_decay(model, self.weight_decay), lr=self.peak(batch_size))
