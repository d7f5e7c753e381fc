"""Weights whose singular values stay in bounds."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


@torch.no_grad()
def bounded_spectrum(weight: Float[Tensor, "O I"], low: float, high: float) -> Float[Tensor, "O I"]:
    """The nearest matrix whose singular values lie between ``low`` and ``high``; its condition is at most their ratio.

    Nearest in the Frobenius norm (Mirsky 1960); clipping at ``high`` alone is that of arXiv 1805.10408.

    >>> bounded_spectrum(torch.tensor([[3.0, 0.0], [0.0, 1e-4]]), 0.5, 2.0)
    tensor([[2.0000, 0.0000],
            [0.0000, 0.5000]])
    """
    u, s, v = torch.linalg.svd(weight.float(), full_matrices=False)
    return ((u * s.clamp(low, high)) @ v).to(weight.dtype)
