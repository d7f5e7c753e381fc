"""Contrast with the rest of the batch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.losses.base import PairLoss
from ssl_pipeline.utils import distributed


def info_nce(
    a: Float[Tensor, "B D"], b: Float[Tensor, "B D"], temperature: float, others: Float[Tensor, "M D"] | None = None
) -> Float[Tensor, ""]:
    """NT-Xent (SimCLR, arXiv 2002.05709): each embedding finds its partner among 2B - 1, on all ranks together.

    Args:
        a: embeddings of one view.
        b: embeddings of the other, row by row of the same samples.
        temperature: divides the cosines.
        others: embeddings of other samples, as many on each rank, among which to find it as well.
    """
    local = F.normalize(torch.cat([a, b]).float(), dim=-1)
    every = distributed.gather(torch.stack(local.chunk(2), dim=1)).transpose(0, 1).flatten(0, 1)
    n, start = len(every) // 2, distributed.rank() * len(a)
    rows = torch.arange(start, start + len(a), device=a.device)
    own = torch.cat([rows, rows + n])
    if others is not None:
        every = torch.cat([every, distributed.gather(F.normalize(others.float(), dim=-1))])
    cosines = _cosines(local, every, own, temperature)
    return F.cross_entropy(cosines, (own + n) % (2 * n))


def source_nce(z: Float[Tensor, "M D"], source: Int64[Tensor, " M"], temperature: float) -> Float[Tensor, ""]:
    """SupCon (arXiv 2004.11362, their L_out) with sources for classes: each embedding finds all others of its source.

    Embeddings whose source has no other one on any rank ask nothing, but are negatives for the rest.

    Args:
        z: embeddings.
        source: what each was taken from.
        temperature: divides the cosines.
    """
    local = F.normalize(z.float(), dim=-1)
    every, sources = distributed.gather(local), distributed.gather_plain(source)
    own = distributed.rank() * len(z) + torch.arange(len(z), device=z.device)
    log_p = _cosines(local, every, own, temperature).log_softmax(1)
    same = (source[:, None] == sources).scatter(1, own.unsqueeze(1), False)
    partners = same.sum(1)
    found = log_p.where(same, 0.0).sum(1) / partners.clamp(min=1)
    asking = distributed.gather_plain((partners > 0).sum().unsqueeze(0)).sum()
    return -found.sum() * distributed.world_size() / asking.clamp(min=1)


def _cosines(local: Tensor, every: Tensor, own: Tensor, temperature: float) -> Tensor:
    """Scaled cosines of the local rows with all rows, their own places at minus infinity."""
    with torch.autocast(local.device.type, enabled=False):  # a temperature magnifies what bfloat16 rounds away
        cosines = local @ every.T / temperature
    return cosines.scatter(1, own.unsqueeze(1), float("-inf"))


@register("loss", "info_nce")
class InfoNCE(PairLoss):
    """NT-Xent, its negatives all other samples of the step; given sources, SupCon over them.

    Args:
        temperature: divides the cosines.

    Raises:
        ValueError: ``temperature`` not positive.
    """

    prevents_collapse = True
    knows_sources = True
    contrasts = True
    rates_samples = True

    def __init__(self, temperature: float = 0.2) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f"temperature={temperature}: expected a positive number")
        self.temperature = temperature

    def forward(self, a: Tensor, b: Tensor, others: Tensor | None = None) -> Tensor:
        """Scalar from two (B, D) embeddings, and (M, D) of other samples."""
        return info_nce(a, b, self.temperature, others)

    def per_sample(self, a: Tensor, b: Tensor) -> Tensor:
        """Cross-entropy (B,) of each sample, the mean of its two embeddings', among this rank's samples."""
        every = F.normalize(torch.cat([a, b]).float(), dim=-1)
        own = torch.arange(len(every), device=a.device)
        cosines = _cosines(every, every, own, self.temperature)
        partner = (own + len(a)) % len(every)
        return F.cross_entropy(cosines, partner, reduction="none").view(2, -1).mean(0)

    def by_source(self, z: Tensor, source: Tensor) -> Tensor:
        """Scalar from (M, D) embeddings and their sources."""
        return source_nce(z, source, self.temperature)
