"""A block of queries that read from a memory."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Bool, Float
from timm.layers.mlp import Mlp
from torch import Tensor, nn

KeyValue = tuple[Tensor, Tensor]
"""Keys and values, (B, heads, N, D / heads) each."""


def split_heads(x: Float[Tensor, "B N D"], parts: int, heads: int) -> tuple[Tensor, ...]:
    """``parts`` projections that came out of one matrix, (B, heads, N, D / (parts * heads)) each."""
    return tuple(x.unflatten(-1, (parts, heads, -1)).permute(2, 0, 3, 1, 4).unbind(0))


class CrossBlock(nn.Module):
    """Pre-norm cross-attention and MLP: queries of one width read a memory of another (CrossMAE, arXiv 2401.14391).

    Args:
        width: width of the queries.
        memory_width: width of the memory's tokens.
        heads: attention heads; must divide ``width``.
        mlp_ratio: hidden width of the MLP in multiples of ``width``.

    Raises:
        ValueError: ``heads`` does not divide ``width``.
    """

    def __init__(self, width: int, memory_width: int, heads: int, mlp_ratio: float = 4.0) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"heads={heads} must divide the width {width}")
        self.heads = heads
        self.norm_query, self.norm_memory, self.norm = (nn.LayerNorm(w) for w in (width, memory_width, width))
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(memory_width, 2 * width)
        self.out = nn.Linear(width, width)
        self.mlp = Mlp(width, int(width * mlp_ratio))

    def forward(
        self, query: Float[Tensor, "B Q D"], memory: Float[Tensor, "B N M"], valid: Bool[Tensor, "B N"] | None = None
    ) -> Float[Tensor, "B Q D"]:
        """Read from the valid tokens of the memory."""
        return self.read(query, self.remember(memory), valid)

    def remember(self, memory: Float[Tensor, "B N M"]) -> KeyValue:
        """Keys and values of the memory, for those who read it more than once."""
        k, v = split_heads(self.key_value(self.norm_memory(memory)), 2, self.heads)
        return k, v

    def read(
        self, query: Float[Tensor, "B Q D"], memory: KeyValue, valid: Bool[Tensor, "B N"] | None = None
    ) -> Float[Tensor, "B Q D"]:
        """Read from the valid tokens of what was remembered."""
        (q,) = split_heads(self.query(self.norm_query(query)), 1, self.heads)
        k, v = memory
        mask = None if valid is None else valid[:, None, None]
        read = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        query = query + self.out(read.transpose(1, 2).flatten(2))
        return query + self.mlp(self.norm(query))
