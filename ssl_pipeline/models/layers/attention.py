"""Attention, and a block of queries that read from a memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from timm.layers.attention import Attention
from timm.layers.mlp import Mlp
from torch import Tensor, nn

KeyValue = tuple[Tensor, Tensor]
"""Keys and values, (B, heads, N, D / heads) each."""


def split_heads(x: Float[Tensor, "B N D"], parts: int, heads: int) -> tuple[Tensor, ...]:
    """``parts`` projections that came out of one matrix, (B, heads, N, D / (parts * heads)) each."""
    return tuple(x.unflatten(-1, (parts, heads, -1)).permute(2, 0, 3, 1, 4).unbind(0))


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, causal: bool = False) -> Tensor:
    """Scaled dot-product attention (arXiv 1706.03762) of (B, heads, N, d).

    On a processor it is computed in 32 bits: there the fused kernel's gradient in 16 bits takes the same long time for
    every sample and head, however few tokens there are (of 12 tokens: ten times as long).
    """
    if q.device.type != "cpu" or q.dtype == torch.float32:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
    with torch.autocast("cpu", enabled=False):
        read = F.scaled_dot_product_attention(q.float(), k.float(), v.float(), attn_mask=mask, is_causal=causal)
    return read.to(q.dtype)


class SelfAttention(Attention):
    """timm's self-attention, computed by ``attend``."""

    def forward(
        self, x: Float[Tensor, "B N D"], attn_mask: Bool[Tensor, "B 1 1 N"] | None = None, is_causal: bool = False
    ) -> Float[Tensor, "B N D"]:
        """Tokens that the mask leaves out are not attended to."""
        q, k, v = split_heads(self.qkv(x), 3, self.num_heads)
        return self.proj(attend(q, k, v, attn_mask, is_causal).transpose(1, 2).flatten(2))


class CrossBlock(nn.Module):
    """Pre-norm cross-attention and MLP: queries of one width read a memory of another (CrossMAE, arXiv 2401.14391).

    Args:
        width: width of the queries.
        memory_width: width of the memory's tokens.
        heads: attention heads; must divide ``width``.
        mlp_ratio: hidden width of the MLP in multiples of ``width``.
        mlp: called with ``width`` and the hidden width, makes what stands in the place of the MLP; None for timm's.

    Raises:
        ValueError: ``heads`` does not divide ``width``.
    """

    def __init__(
        self,
        width: int,
        memory_width: int,
        heads: int,
        mlp_ratio: float = 4.0,
        mlp: Callable[[int, int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        if min(width, heads) < 1 or width % heads:
            raise ValueError(f"heads={heads} must divide the width {width}")
        self.heads = heads
        self.norm_query, self.norm_memory, self.norm = (nn.LayerNorm(w) for w in (width, memory_width, width))
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(memory_width, 2 * width)
        self.out = nn.Linear(width, width)
        self.mlp = (mlp or Mlp)(width, int(width * mlp_ratio))

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
        read = attend(q, k, v, mask)
        query = query + self.out(read.transpose(1, 2).flatten(2))
        return query + self.mlp(self.norm(query))
