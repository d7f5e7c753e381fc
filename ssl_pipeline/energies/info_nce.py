"""Contrast with the rest of the batch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline import distributed
from ssl_pipeline.energies.base import PairEnergy


def info_nce(a: Float[Tensor, "B D"], b: Float[Tensor, "B D"], temperature: float) -> Float[Tensor, ""]:
    """NT-Xent (SimCLR, arXiv 2002.05709): each embedding finds its partner among 2B - 1, on all ranks together.

    Args:
        a: embeddings of one view.
        b: embeddings of the other, row by row of the same samples.
        temperature: divides the cosines.
    """
    local = F.normalize(torch.cat([a, b]).float(), dim=-1)
    every = distributed.gather(torch.stack(local.chunk(2), dim=1)).transpose(0, 1).flatten(0, 1)
    n, start = len(every) // 2, distributed.rank() * len(a)
    rows = torch.arange(start, start + len(a), device=a.device)
    own = torch.cat([rows, rows + n])
    with torch.autocast(a.device.type, enabled=False):  # a temperature magnifies what bfloat16 rounds away
        cosines = local @ every.T / temperature
    cosines = cosines.scatter(1, own.unsqueeze(1), float("-inf"))
    return F.cross_entropy(cosines, (own + n) % (2 * n))


class InfoNCE(PairEnergy):
    """NT-Xent with in-batch negatives.

    Args:
        temperature: divides the cosines.

    Raises:
        ValueError: ``temperature`` not positive.
    """

    prevents_collapse = True

    def __init__(self, temperature: float = 0.2) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f"temperature={temperature}: expected a positive number")
        self.temperature = temperature

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Scalar from two (B, D) embeddings."""
        return info_nce(a, b, self.temperature)
