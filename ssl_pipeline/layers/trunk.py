"""The transformer's body, which knows no grid."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from timm.models.vision_transformer import Block
from torch import Tensor, nn


class Trunk(nn.Module):
    """Pre-norm transformer blocks and a last norm (arXiv 2010.11929).

    Args:
        width: width D of the tokens.
        depth: number of blocks.
        heads: attention heads; must divide ``width``.
        mlp_ratio: hidden width of the MLPs in multiples of ``width``.
        drop_path: stochastic depth rate of the last block; grows linearly from 0.
    """

    def __init__(self, width: int, depth: int, heads: int, mlp_ratio: float = 4.0, drop_path: float = 0.0) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            Block(width, heads, mlp_ratio=mlp_ratio, qkv_bias=True, drop_path=rate)
            for rate in torch.linspace(0, drop_path, depth).tolist()
        )
        self.norm = nn.LayerNorm(width)

    def forward(
        self, tokens: Float[Tensor, "B N D"], valid: Bool[Tensor, "B N"] | None = None
    ) -> Float[Tensor, "B N D"]:
        """Tokens that are not valid are not attended to."""
        mask = None if valid is None else valid[:, None, None]
        for block in self.blocks:
            tokens = block(tokens, attn_mask=mask)
        return self.norm(tokens)
