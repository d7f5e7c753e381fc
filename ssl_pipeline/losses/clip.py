"""Contrast of two kinds of data."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ssl_pipeline.config.registry import register
from ssl_pipeline.losses.base import PairLoss
from ssl_pipeline.utils import distributed


@register("loss", "clip")
class CLIP(PairLoss):
    """Each sample finds its partner among those of the other kind, both ways, with a learned temperature.

    The symmetric cross-entropy of CLIP (arXiv 2103.00020, figure 3) over the batch of all ranks. Embeddings of one
    kind never meet each other. The scale, whose exponential multiplies cosines, is kept at log(100) or below.

    Args:
        temperature: the first one.

    Raises:
        ValueError: ``temperature`` outside [0.01, 100].
    """

    prevents_collapse = True
    rates_samples = True

    def __init__(self, temperature: float = 0.07) -> None:
        super().__init__()
        if not 0.01 <= temperature <= 100:
            raise ValueError(f"temperature={temperature}: expected a number from 0.01 to 100")
        self.scale = nn.Parameter(torch.tensor([-math.log(temperature)]))  # shards have no scalars

    def forward(self, a: Float[Tensor, "B D"], b: Float[Tensor, "B D"]) -> Float[Tensor, ""]:
        """Scalar from two (B, D) embeddings."""
        with torch.no_grad():
            self.scale.clamp_(max=math.log(100))
        a, b = self._ready(a), self._ready(b)
        own = distributed.rank() * len(a) + torch.arange(len(a), device=a.device)
        found = self._found(a, distributed.gather(b), own) + self._found(b, distributed.gather(a), own)
        return found.mean() / 2

    def per_sample(self, a: Float[Tensor, "B D"], b: Float[Tensor, "B D"]) -> Float[Tensor, " B"]:
        """See ``PairLoss``."""
        a, b, own = self._ready(a), self._ready(b), torch.arange(len(a), device=a.device)
        return (self._found(a, b, own) + self._found(b, a, own)) / 2

    def _ready(self, z: Tensor) -> Tensor:
        return F.normalize(z.float(), dim=-1)

    def _found(self, z: Tensor, every: Tensor, own: Tensor) -> Tensor:
        """Cross-entropy (B,) of the partners' places ``own`` among ``every``."""
        with torch.autocast(z.device.type, enabled=False):  # the scale magnifies what bfloat16 rounds away
            logits = self.scale.exp() * (z @ every.T)
        return F.cross_entropy(logits, own, reduction="none")
