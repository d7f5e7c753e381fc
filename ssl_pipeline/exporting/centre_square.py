"""Images cropped and resized by operations that every format of an export knows."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def centre_square(
    x: Float[Tensor, "B C H W"], size: int, least: float = 0.0, most: float = 255.0
) -> Float[Tensor, "B C {size} {size}"]:
    """The largest square in the centre, resized as PIL resizes 8 bits: across, rounded, down, rounded.

    As products with matrices, since torch's own antialiased resizing cannot be exported for sizes that are free.

    >>> centre_square(torch.full((1, 1, 5, 9), 7.0), size=2).tolist()
    [[[[7.0, 7.0], [7.0, 7.0]]]]
    """
    height, width = x.shape[2:]
    side = torch.sym_min(height, width)
    across, down = (_weights(n, side, size, x) for n in (width, height))
    x = (x @ across.mT).round().clamp(least, most)
    return (down @ x).round().clamp(least, most)


def _weights(length: int, side: int | torch.SymInt, size: int, like: Tensor) -> Float[Tensor, "{size} {length}"]:
    """What each cell counts for each pixel of the resized square, nothing outside of it."""
    places = torch.arange(length, device=like.device) - (length - side) // 2
    scale = torch.full((), side, dtype=torch.float32, device=like.device) / size
    centres = (torch.arange(size, device=like.device).unsqueeze(1) + 0.5) * scale
    weights = _cubic((places + 0.5 - centres) / scale.clamp(min=1.0)) * ((places >= 0) & (places < side))
    return weights / weights.sum(1, keepdim=True)


def _cubic(distance: Tensor) -> Tensor:
    """Keys' cubic convolution kernel with a = -1/2 (https://doi.org/10.1109/TASSP.1981.1163711), as PIL's."""
    d = distance.abs()
    outer = ((2.5 - 0.5 * d) * d - 4) * d + 2
    return torch.where(d < 1, (1.5 * d - 2.5) * d * d + 1, torch.where(d < 2, outer, torch.zeros_like(d)))
