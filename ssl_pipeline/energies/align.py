"""Magnets: attraction between embeddings, nothing more."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.energies.base import PairEnergy


def align(a: Float[Tensor, "B D"], b: Float[Tensor, "B D"]) -> Float[Tensor, ""]:
    """Mean squared distance on the unit sphere (arXiv 2005.10242); normalised, so shrinking does not pay."""
    return (F.normalize(a.float(), dim=-1) - F.normalize(b.float(), dim=-1)).square().sum(-1).mean()


class Align(PairEnergy):
    """Squared distance of normalised embeddings. Alone it collapses."""

    prevents_collapse = False

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Scalar from two (B, D) embeddings."""
        return align(a, b)
