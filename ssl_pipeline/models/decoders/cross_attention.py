"""Queries at coordinates read the latent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ssl_pipeline.config.registry import register
from ssl_pipeline.models.decoders.base import Decoder, decoded_patches
from ssl_pipeline.models.layers import CrossBlock, pick, sincos
from ssl_pipeline.structures.batch import Latent
from ssl_pipeline.structures.grid import GridSpec


@register("decoder", "cross_attention", parts={"mlp": "layer"})
class CrossAttentionDecoder(Decoder):
    """Cross-attention decoder: only the wanted places are computed (CrossMAE, arXiv 2401.14391).

    Args:
        patch: side of a target patch in cells; None for ``default_patch``.
        width: width of the queries.
        depth: number of cross-attention blocks.
        heads: attention heads; must divide ``width``.
        mlp: called with ``width`` and the MLPs' hidden width, makes what stands in their place; see ``Trunk``.

    Raises:
        ValueError: ``patch`` does not divide the grid, or is not 1 on a discrete grid.
    """

    needs_grid = False
    before, behind = ("query", "params"), ("norm", "head")
    code: Tensor

    def __init__(
        self,
        *,
        patch: int | Sequence[int] | None = None,
        width: int = 128,
        depth: int = 2,
        heads: int = 4,
        mlp: Callable[[int, int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.patch, self.width, self.depth, self.heads, self.mlp = patch, width, depth, heads, mlp

    def setup(
        self,
        grid: GridSpec,
        latent_width: int,
        dense_shape: tuple[int, ...] | None = None,
        n_params: int = 0,
        finer: Sequence[GridSpec] = (),
    ) -> None:
        """See ``Decoder``."""
        width = self.width
        self.patches = decoded_patches(grid, self.patch)
        unit = torch.tensor([a.spacing * s for a, s in zip(grid.axes, self.patches.size, strict=True)])
        code = sincos(self.patches.centres(grid.coordinates()) / unit, width)
        self.register_buffer("code", code, persistent=False)
        self.query = nn.Parameter(torch.randn(width) * 0.02)
        self.params = nn.Linear(n_params, width) if n_params else None
        blocks = (CrossBlock(width, latent_width, self.heads, mlp=self.mlp) for _ in range(self.depth))
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, grid.vocab or self.patches.width)

    def forward(
        self,
        latent: Latent,
        places: Tensor | None = None,
        corruption_params: Tensor | None = None,
        target: Tensor | None = None,
    ) -> Tensor:
        """Patches (B, Q, P) at ``places``; the target is not looked at."""
        return self._steps(latent, places, corruption_params)

    def enter(self, latent: Latent, places: Tensor | None = None, corruption_params: Tensor | None = None) -> Tensor:
        """Queries (B, Q, D)."""
        code = self.code.expand(latent.tokens.shape[0], -1, -1)
        if places is not None:
            code = pick(code, places)
        query = code + self.query
        if self.params is not None and corruption_params is not None:
            query = query + self.params(corruption_params).unsqueeze(1)
        return query

    def step(self, block: int, x: Tensor, latent: Latent) -> Tensor:
        """Queries (B, Q, D) that have read the latent once more."""
        return self.blocks[block](x, latent.tokens, latent.valid)

    def leave(self, x: Tensor, latent: Latent, places: Tensor | None = None) -> Tensor:
        """Patches (B, Q, P) of queries."""
        return self.head(self.norm(x))
