"""In how many directions something varies: effective ranks (Roy and Vetterli, EUSIPCO 2007)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

_FLOOR = 0.01
"""Singular values below this share of the largest are rounding, and bfloat16 makes some of them."""


def entropy_rank(s: Float[Tensor, "*rows K"], floor: float = _FLOOR) -> Float[Tensor, "*rows"]:
    """Exponential of the entropy of singular values: K where all are alike, 1 where there is only one, or none.

    Args:
        s: singular values.
        floor: share of the largest below which they do not count.

    >>> entropy_rank(torch.tensor([[2.0, 2.0, 2.0], [5.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    tensor([3., 1., 1.])
    """
    s = torch.where(s >= floor * s.amax(-1, keepdim=True), s, 0.0)
    p = s / s.sum(-1, keepdim=True).clamp_min(torch.finfo(s.dtype).tiny)
    return torch.special.entr(p).sum(-1).exp()


def effective_ranks(parts: Sequence[Tensor]) -> list[float]:
    """Effective rank of some (R, D) about their means; 1 where nothing varies.

    >>> x = torch.randn(64, 3) @ torch.randn(3, 100) + 5
    >>> 1.5 < effective_ranks([x])[0] <= 3.01
    True
    """
    alike, found = defaultdict(list), [1.0] * len(parts)
    for i, x in enumerate(parts):
        x = x.double() if x.device.type == "cpu" else x.float()
        x = x - x.mean(0)
        with torch.autocast(x.device.type, enabled=False):  # its rounding would count as directions
            alike[min(x.shape)].append((i, x @ x.T if len(x) <= x.shape[1] else x.T @ x))
    for some in alike.values():
        grams = torch.stack([gram for _, gram in some]).cpu().double()
        ranks = entropy_rank(torch.linalg.eigvalsh(torch.nan_to_num(grams)).clamp_min(0).sqrt())
        for (i, _), rank in zip(some, ranks.tolist(), strict=True):
            found[i] = rank
    return found


@torch.no_grad()
def weight_ranks(layers: Mapping[str, nn.Module]) -> dict[str, float]:
    """Effective rank of each layer's weight, from all that it sees to its outputs: in how many directions it
    passes inputs that are alike in all.

    Args:
        layers: by name, such as of ``layers_of``; each has a ``weight`` of two axes at least.

    >>> wide = nn.Linear(8, 8)
    >>> _ = wide.weight.data.copy_(torch.ones(8, 1) @ torch.randn(1, 8))
    >>> {name: round(rank, 2) for name, rank in weight_ranks({"wide": wide}).items()}
    {'wide': 1.0}
    """
    weights: dict[str, Tensor] = {name: layer.weight for name, layer in layers.items()}  # pyright: ignore
    values = {name: torch.linalg.svdvals(weight.detach().flatten(1).float()) for name, weight in weights.items()}
    return {name: float(entropy_rank(s)) for name, s in values.items()}
