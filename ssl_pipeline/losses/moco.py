"""Contrast with what was seen before."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.losses.memory_bank import QueueEnergy


def moco(
    a: Float[Tensor, "B D"], b: Float[Tensor, "B D"], negatives: Float[Tensor, "Q D"], temperature: float
) -> Float[Tensor, ""]:
    """InfoNCE as in MoCo (arXiv 1911.05722): each query finds its key among the negatives.

    Args:
        a: queries.
        b: keys, row by row of the same samples.
        negatives: unit vectors, the same for all queries.
        temperature: divides the cosines.
    """
    scores = _scores(a, b, negatives, temperature)
    return F.cross_entropy(scores, torch.zeros(len(a), dtype=torch.int64, device=a.device))


def _scores(a: Tensor, b: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """Scaled cosines of each query with its key, which comes first, and with the negatives."""
    a, b = F.normalize(a.float(), dim=-1), F.normalize(b.float(), dim=-1)
    with torch.autocast(a.device.type, enabled=False):
        return torch.cat([(a * b).sum(-1, keepdim=True), a @ negatives.T], dim=1) / temperature


@register("loss", "moco")
class MoCo(QueueEnergy):
    """Contrast of queries with a queue of past keys.

    Args:
        width: width of the embeddings.
        size: number of keys in the queue.
        temperature: divides the cosines.

    Raises:
        ValueError: a number that is not positive; embeddings of another width.
    """

    rates_samples = True
    over_batch = False

    def __init__(self, width: int, size: int = 4096, temperature: float = 0.2) -> None:
        super().__init__(width, size, temperature)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Scalar from (B, D) queries and keys."""
        return moco(a, b, self.queue(b), self.temperature)

    def per_sample(self, a: Tensor, b: Tensor) -> Tensor:
        """Cross-entropy (B,) of each query."""
        return -_scores(a, b, self.queue(b), self.temperature).log_softmax(1)[:, 0]
