"""Tokens of timm's vision transformers, step by step, so that some of them can be left out.

timm's own modules compute; here stands only the order in which their ``forward_features`` calls them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from timm.layers import PatchEmbed, apply_keep_indices_nlc  # pyright: ignore[reportPrivateImportUsage]
from timm.models import Eva, VisionTransformer  # pyright: ignore[reportPrivateImportUsage]
from torch import Tensor, nn

from ssl_pipeline.models.layers import Patches
from ssl_pipeline.structures.grid import GridSpec


class Sequence(NamedTuple):
    """Tokens on their way through the blocks."""

    tokens: Tensor  # (B, P + N, D): P of the model's own, such as the class token, then those of the patches
    rope: Tensor | None  # rotary embeddings of the patches' places, as Eva takes them


def patches_of(model: nn.Module, grid: GridSpec) -> Patches | None:
    """How a transformer cuts images into tokens that know of each other in its blocks only; None of other models."""
    plain = any(
        isinstance(model, kind) and type(model).forward_features is kind.forward_features
        for kind in (VisionTransformer, Eva)
    )
    stem: Any = getattr(model, "patch_embed", None)
    if not plain or type(stem) is not PatchEmbed:
        return None
    size: Any = stem.patch_size
    return None if any(n % s for n, s in zip(grid.shape, size, strict=True)) else Patches(grid, size)


def embed_patches(model: Any, x: Tensor, hidden: Tensor | None = None, mask_token: Tensor | None = None) -> Sequence:
    """All tokens with their positions.

    Args:
        model: one that ``patches_of`` knows.
        x: (B, C, H, W).
        hidden: (B, N) bool, patches in whose place the mask token stands.
        mask_token: (D,).
    """
    tokens = model.patch_embed(x)
    if mask_token is not None:
        nowhere = torch.zeros(tokens.shape[:-1], dtype=torch.bool, device=tokens.device)
        hidden = nowhere if hidden is None else hidden.view(nowhere.shape)
        tokens = torch.where(hidden.unsqueeze(-1), mask_token.to(tokens.dtype), tokens)
    if isinstance(model, Eva):
        return Sequence(*model._pos_embed(tokens))
    return Sequence(model.patch_drop(model._pos_embed(tokens)), None)


def keep(model: Any, found: Sequence, index: Tensor) -> Sequence:
    """The tokens of patches at (B, K) alone, and the model's own."""
    own, rest = found.tokens.tensor_split([model.num_prefix_tokens], dim=1)
    tokens = torch.cat([own, rest.gather(1, index.unsqueeze(-1).expand(-1, -1, rest.shape[-1]))], dim=1)
    if found.rope is None:
        return Sequence(tokens, None)
    rope = apply_keep_indices_nlc(rest, found.rope, index)
    return Sequence(tokens, rope.transpose(0, 1) if _mixed(model) else rope.unsqueeze(1))


def enter(model: Any, found: Sequence) -> Sequence:
    """What goes into the first block."""
    return found._replace(tokens=model.norm_pre(found.tokens))


def step(model: Any, block: int, found: Sequence, valid: Tensor | None) -> Sequence:
    """What comes out of a block.

    Args:
        model: likewise.
        block: its number.
        found: what goes in.
        valid: (B, P + N) bool, False = not attended to; None = all.
    """
    options: dict[str, Any] = {} if valid is None else {"attn_mask": valid[:, None, None]}
    if found.rope is not None:
        options["rope"] = found.rope[block] if _mixed(model) else found.rope
    return found._replace(tokens=model.blocks[block](found.tokens, **options))


def _mixed(model: Any) -> bool:
    """Whether each block has rotary embeddings of its own."""
    return getattr(model, "rope_mixed", False)
