"""Energies between two decoded distributions of symbols, neither of which is the truth."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.losses.base import ReconstructionLoss


def jensen_shannon(p: Float[Tensor, "*N V"], q: Float[Tensor, "*N V"]) -> Float[Tensor, "*N"]:
    """Jensen-Shannon divergence of two distributions from their logits, in nats, at most ln 2.

    >>> p, q = torch.tensor([[9.0, -9.0], [1.0, 2.0]]), torch.tensor([[-9.0, 9.0], [1.0, 2.0]])
    >>> [round(value, 3) for value in jensen_shannon(p, q).tolist()]
    [0.693, 0.0]
    """
    p, q = p.float().log_softmax(-1), q.float().log_softmax(-1)
    mean = torch.logaddexp(p, q) - math.log(2)
    return (p.exp() * (p - mean) + q.exp() * (q - mean)).sum(-1) / 2


def symmetric_kl(p: Float[Tensor, "*N V"], q: Float[Tensor, "*N V"]) -> Float[Tensor, "*N"]:
    """Mean of both Kullback-Leibler divergences of two distributions from their logits, in nats.

    >>> p, q = torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    >>> round(symmetric_kl(p, q).item(), 4)
    0.1155
    """
    p, q = p.float().log_softmax(-1), q.float().log_softmax(-1)
    return ((p.exp() - q.exp()) * (p - q)).sum(-1) / 2


class Divergence(ReconstructionLoss):
    """Between two decoded distributions of symbols; the target is logits, too, and either may be exchanged."""

    discrete = True

    @abstractmethod
    def per_place(self, prediction: Float[Tensor, "B Q V"], target: Float[Tensor, "B Q V"]) -> Float[Tensor, "B Q"]:
        """Divergence at each place."""


@register("loss", "jensen_shannon")
class JensenShannon(Divergence):
    """Jensen-Shannon divergence, in nats: bounded, so that a place that is sure and wrong does not rule the others."""

    def per_place(self, prediction: Float[Tensor, "B Q V"], target: Float[Tensor, "B Q V"]) -> Float[Tensor, "B Q"]:
        """Divergence at each place."""
        return jensen_shannon(prediction, target)


@register("loss", "symmetric_kl")
class SymmetricKL(Divergence):
    """Mean of both Kullback-Leibler divergences (R-Drop, arXiv 2106.14448), in nats."""

    def per_place(self, prediction: Float[Tensor, "B Q V"], target: Float[Tensor, "B Q V"]) -> Float[Tensor, "B Q"]:
        """Divergence at each place."""
        return symmetric_kl(prediction, target)
