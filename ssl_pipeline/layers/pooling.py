"""Means over the tokens that count."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor


def masked_mean(tokens: Float[Tensor, "B N D"], valid: Bool[Tensor, "B N"] | None) -> Float[Tensor, "B D"]:
    """Mean over the valid tokens of each sample."""
    if valid is None:
        return tokens.mean(1)
    weight = valid.unsqueeze(-1).to(tokens.dtype)
    return (tokens * weight).sum(1) / weight.sum(1).clamp(min=1)
