"""The transformer's body, which knows no grid."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn import functional as F

from ssl_pipeline.models.layers.attention import SelfAttention

PIECE = 600_000
"""Numbers that go through a processor's caches together: larger batches were up to a quarter slower in training."""


class Trunk(nn.Module):
    """Pre-norm transformer blocks and a last norm (arXiv 2010.11929).

    Args:
        width: width D of the tokens.
        depth: number of blocks.
        heads: attention heads; must divide ``width``.
        mlp_ratio: hidden width of the MLPs in multiples of ``width``.
        drop_path: stochastic depth rate of the last block; grows linearly from 0.
        mlp: called with ``width`` and the hidden width, makes what stands in the place of each MLP: timm's ``SwiGLU``
            or ``GluMlp`` (arXiv 2002.05202); None for timm's ``Mlp``.

    Raises:
        ValueError: a negative depth; MLPs of no width.
    """

    def __init__(
        self,
        width: int,
        depth: int,
        heads: int,
        mlp_ratio: float = 4.0,
        drop_path: float = 0.0,
        mlp: Callable[[int, int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        if depth < 0 or mlp_ratio * width < 1:
            raise ValueError(
                f"depth={depth} and mlp_ratio={mlp_ratio}: expected a depth of at least 0 and a ratio that leaves MLPs "
                f"one hidden number or more"
            )
        self.blocks = nn.ModuleList(
            Block(width, heads, mlp_ratio=mlp_ratio, qkv_bias=True, drop_path=rate, attn_layer=SelfAttention)
            for rate in torch.linspace(0, drop_path, depth).tolist()
        )
        if mlp is not None:  # not by Block's ``mlp_layer``, which gets an activation, too, that is not a gate's
            for block in self.blocks:
                block.mlp = mlp(width, int(width * mlp_ratio))
        self.norm = nn.LayerNorm(width)

    def forward(
        self, tokens: Float[Tensor, "B N D"], valid: Bool[Tensor, "B N"] | None = None, last: int = 1
    ) -> Float[Tensor, "B N D"]:
        """Tokens that are not valid are not attended to; ``last`` above 1: mean of so many standardised blocks.

        On a processor a batch in training passes in pieces; but for stochastic depth, each sample is the same in them.
        """
        rows = max(1, PIECE // max(1, tokens.shape[1] * tokens.shape[2]))
        if not self.training or tokens.device.type != "cpu" or rows >= len(tokens):
            return self._whole(tokens, valid, last)
        pieces = tokens.split(rows)
        masks = [None] * len(pieces) if valid is None else valid.split(rows)
        return torch.cat([self._whole(piece, mask, last) for piece, mask in zip(pieces, masks, strict=True)])

    def _whole(self, tokens: Tensor, valid: Tensor | None, last: int) -> Tensor:
        first, averaged = len(self.blocks) - last, []
        for depth in range(len(self.blocks)):
            tokens = self.step(depth, tokens, valid)
            if last > 1 and depth >= first:
                averaged.append(F.layer_norm(tokens, tokens.shape[-1:]))
        return torch.stack(averaged).mean(0) if averaged else self.norm(tokens)

    def step(
        self, block: int, tokens: Float[Tensor, "B N D"], valid: Bool[Tensor, "B N"] | None = None
    ) -> Float[Tensor, "B N D"]:
        """Tokens out of one block."""
        return self.blocks[block](tokens, attn_mask=None if valid is None else valid[:, None, None])
