"""Sine-cosine codes of continuous coordinates."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def sincos(coords: Float[Tensor, "B N n"], width: int, base: float = 1000.0) -> Float[Tensor, "B N {width}"]:
    """Fixed code of ``n``-dimensional coordinates, an equal share of ``width`` for each (arXiv 1706.03762).

    Args:
        coords: coordinates, one unit being the distance of neighbouring tokens.
        width: length of the code; places that do not divide by ``2n`` stay zero.
        base: longest wavelength is ``2 pi base`` units.
    """
    n = coords.shape[-1]
    k = width // (2 * n)
    rate = base ** (-torch.arange(k, device=coords.device) / k)
    angle = coords.unsqueeze(-1) * rate
    code = torch.cat([angle.sin(), angle.cos()], dim=-1).flatten(-2)
    return torch.nn.functional.pad(code, (0, width - code.shape[-1]))
