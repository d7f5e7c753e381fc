"""Poisson numbers that each place draws from one uniform number of its own."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

_FEW = 4.0
"""Up to this rate probabilities are added up; above, their sum is inverted by its series."""
_MOST = 20
"""Of a rate of 4, one number in 10^8 is greater."""


def poisson(rate: Float[Tensor, "*shape"], generator: torch.Generator) -> Float[Tensor, "*shape"]:
    """Poisson numbers. ``torch.poisson`` takes several times as long on a CPU, and there as many random numbers as its
    rates ask for, so that a sample would change what the next one draws.

    Above a rate of 4 the inverse of the distribution is a series in its root, https://doi.org/10.1145/2699466
    (equation 9): one number in a thousand is off by one.

    >>> poisson(torch.zeros(2), torch.Generator())
    tensor([0., 0.])
    """
    luck = torch.rand(rate.shape, generator=generator, device=rate.device, dtype=torch.float32)
    high = rate.clamp(min=_FEW)
    normal = torch.erfinv((2 * luck - 1).clamp_(-1 + 1e-7, 1 - 1e-7)).mul_(2**0.5)
    square, root = normal.square(), high.rsqrt()
    tail = (-8 / 405 + 7 * square / 810 + square.square() / 270) * root - normal * (1 / 36 + square / 72)
    many = high + normal / root + 1 / 3 + square / 6 + tail * root
    counts = many.floor_().clamp_(min=0.0)
    few = rate < _FEW
    return counts.masked_scatter_(few, _added_up(rate[few], luck[few]))


def _added_up(rate: Tensor, luck: Tensor) -> Tensor:
    chance = torch.exp(-rate)
    total, count = chance.clone(), torch.zeros_like(rate)
    for k in range(1, _MOST + 1):
        count += luck >= total
        chance = chance * rate / k
        total += chance
    return count
