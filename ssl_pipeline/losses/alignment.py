"""Magnets: attraction between embeddings, nothing more."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.losses.base import PairLoss
from ssl_pipeline.utils import distributed


def alignment(a: Float[Tensor, "B D"], b: Float[Tensor, "B D"]) -> Float[Tensor, ""]:
    """Mean squared distance on the unit sphere (arXiv 2005.10242); normalised, so shrinking does not pay."""
    return (F.normalize(a.float(), dim=-1) - F.normalize(b.float(), dim=-1)).square().sum(-1).mean()


def source_align(z: Float[Tensor, "M D"], source: Int64[Tensor, " M"]) -> Float[Tensor, ""]:
    """Mean squared distance on the unit sphere over all pairs of the same source, on all ranks together."""
    local = F.normalize(z.float(), dim=-1)
    every, sources = distributed.gather(local), distributed.gather_plain(source)
    own = distributed.rank() * len(z) + torch.arange(len(z), device=z.device)
    same = (source[:, None] == sources).scatter(1, own.unsqueeze(1), False)
    with torch.autocast(z.device.type, enabled=False):
        distance = 2 - 2 * local @ every.T
    pairs = distributed.gather_plain(same.sum().unsqueeze(0)).sum()
    return distance.where(same, 0.0).sum() * distributed.world_size() / pairs.clamp(min=1)


@register("loss", "alignment")
class Alignment(PairLoss):
    """Squared distance of normalised embeddings. Alone it collapses."""

    prevents_collapse = False
    over_batch = False
    knows_sources = True
    rates_samples = True

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Scalar from two (B, D) embeddings."""
        return alignment(a, b)

    def per_sample(self, a: Tensor, b: Tensor) -> Tensor:
        """Squared distance (B,) of each pair."""
        return (F.normalize(a.float(), dim=-1) - F.normalize(b.float(), dim=-1)).square().sum(-1)

    def by_source(self, z: Tensor, source: Tensor) -> Tensor:
        """Scalar from (M, D) embeddings and their sources."""
        return source_align(z, source)
