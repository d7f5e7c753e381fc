"""Contrast through the nearest of what was seen before."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline import distributed
from ssl_pipeline.energies.base import PairEnergy
from ssl_pipeline.energies.queue import Queue


def neighbour_nce(
    a: Float[Tensor, "B D"], b: Float[Tensor, "B D"], support: Float[Tensor, "Q D"], temperature: float
) -> Float[Tensor, ""]:
    """NNCLR (arXiv 2104.14548): the neighbour of each target finds the prediction made for it among all ranks'.

    Args:
        a: predictions.
        b: targets, row by row of the same samples.
        support: unit vectors among which each target has its nearest neighbour.
        temperature: divides the cosines.
    """
    a, b = F.normalize(a.float(), dim=-1), F.normalize(b.float(), dim=-1)
    every = distributed.gather(a)
    with torch.autocast(a.device.type, enabled=False):
        nearest = support[(b @ support.T).argmax(1)]
        cosines = nearest @ every.T
    own = distributed.rank() * len(a) + torch.arange(len(a), device=a.device)
    return F.cross_entropy(cosines / temperature, own)


class NearestNeighbour(PairEnergy):
    """Contrast in the batch, each target replaced by its nearest neighbour among past targets.

    Args:
        width: width of the embeddings.
        size: number of past targets.
        temperature: divides the cosines.

    Raises:
        ValueError: a number that is not positive; embeddings of another width.
    """

    prevents_collapse = True
    directed = True

    def __init__(self, width: int, size: int = 4096, temperature: float = 0.1) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f"temperature={temperature}: expected a positive number")
        self.queue, self.temperature = Queue(size, width), temperature

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Scalar from (B, D) predictions and targets."""
        return neighbour_nce(a, b, self.queue(b), self.temperature)

    def remember(self, targets: Tensor) -> None:
        """Put the targets into the queue."""
        if self.training:
            self.queue.push(targets)
