"""A latent of a fixed format: K slots, whatever the encoder's tokens are."""

from __future__ import annotations

import torch
from torch import nn

from ssl_pipeline.config.registry import register
from ssl_pipeline.models.latents.base import LatentFormat
from ssl_pipeline.models.latents.consensus import FUSES, MeanConsensus
from ssl_pipeline.models.layers import CrossBlock
from ssl_pipeline.structures.batch import Latent


@register("latent", "slots", parts={"fuse": "consensus"})
class Slots(LatentFormat):
    """K learned queries read the tokens: a fixed-format latent that any encoder can reach (arXiv 2103.03206).

    The embedding is the mean slot.

    Args:
        slots: number of slots K.
        slot_width: width of a slot; None: that of the encoder's tokens.
        depth: cross-attention blocks.
        heads: attention heads.
        fuse: how views of a sample become one latent: ``None`` (each keeps its own), ``mean`` or ``relaxed``.

    Raises:
        ValueError: unknown ``fuse``; no slots.
    """

    keeps_grid = False

    def __init__(
        self,
        *,
        slots: int = 8,
        slot_width: int | None = None,
        depth: int = 2,
        heads: int = 4,
        fuse: str | MeanConsensus | None = None,
    ) -> None:
        super().__init__()
        if slots < 1:
            raise ValueError(f"latent.slots={slots}: expected at least 1")
        if isinstance(fuse, str) and fuse not in FUSES:
            raise ValueError(f"latent.fuse={fuse!r} is not known; take null or one of {', '.join(FUSES)}")
        self.slots, self.slot_width, self.depth, self.heads = slots, slot_width, depth, heads
        self.fuse = FUSES[fuse]() if isinstance(fuse, str) else fuse

    def setup(self, width: int, embedding_width: int) -> None:
        """See ``LatentFormat``."""
        self.width = self.embedding_width = self.slot_width or width
        self.queries = nn.Parameter(torch.randn(1, self.slots, self.width) * 0.5)
        self.blocks = nn.ModuleList(CrossBlock(self.width, width, self.heads) for _ in range(self.depth))
        self.norm = nn.LayerNorm(self.width)

    def no_weight_decay(self) -> set[str]:
        """The queries."""
        return {"queries"}

    def forward(self, latent: Latent) -> Latent:
        """Read (B, N, D) tokens into (B, K, D) slots."""
        slots = self.queries.expand(latent.tokens.shape[0], -1, -1)
        for block in self.blocks:
            slots = block(slots, latent.tokens, latent.valid)
        slots = self.norm(slots)
        return Latent(slots, slots.mean(1))
