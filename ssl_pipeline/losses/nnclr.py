"""Contrast through the nearest of what was seen before."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.losses.memory_bank import QueueEnergy
from ssl_pipeline.utils import distributed


def nearest_in_support(z: Float[Tensor, "B D"], support: Float[Tensor, "Q D"]) -> Float[Tensor, "B D"]:
    """The one of the unit vectors ``support`` with the largest cosine with each embedding."""
    with torch.autocast(z.device.type, enabled=False):
        return support[(z.float() @ support.T).argmax(1)]


def nnclr(a: Float[Tensor, "B D"], neighbours: Float[Tensor, "B D"], temperature: float) -> Float[Tensor, ""]:
    """NNCLR (arXiv 2104.14548): the neighbour of each target finds the prediction made for it among all ranks'.

    Args:
        a: predictions.
        neighbours: unit vectors, row by row those of the same samples' targets.
        temperature: divides the cosines.
    """
    a = F.normalize(a.float(), dim=-1)
    every = distributed.gather(a)
    with torch.autocast(a.device.type, enabled=False):
        cosines = neighbours @ every.T
    own = distributed.rank() * len(a) + torch.arange(len(a), device=a.device)
    return F.cross_entropy(cosines / temperature, own)


@register("loss", "nnclr")
class NNCLR(QueueEnergy):
    """Contrast in the batch, each target replaced by its nearest neighbour among past targets.

    Args:
        width: width of the embeddings.
        size: number of past targets.
        temperature: divides the cosines.

    Raises:
        ValueError: a number that is not positive; embeddings of another width.
    """

    rates_samples = True

    def __init__(self, width: int, size: int = 4096, temperature: float = 0.1) -> None:
        super().__init__(width, size, temperature)

    @torch.no_grad()
    def target(self, said: Tensor) -> Tensor:
        """The nearest neighbour (B, D) of each embedding in the queue."""
        return nearest_in_support(said, self.queue(said))

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Scalar from (B, D) predictions and neighbours of the targets."""
        return nnclr(a, b, self.temperature)

    def per_sample(self, a: Tensor, b: Tensor) -> Tensor:
        """Cross-entropy (B,) of each neighbour among this rank's predictions."""
        with torch.autocast(a.device.type, enabled=False):
            cosines = b @ F.normalize(a.float(), dim=-1).T
        return -(cosines / self.temperature).log_softmax(1).diagonal()
