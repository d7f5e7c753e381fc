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
    """Poisson numbers. On a CPU ``torch.poisson`` takes as many random numbers as its rates ask for, so that a sample
    would change what the next one draws.

    Above a rate of 4 the inverse of the distribution is a series in its root, https://doi.org/10.1145/2699466; one
    number in a thousand is off by one.

    >>> poisson(torch.zeros(2), torch.Generator())
    tensor([0., 0.])
    """
    luck = torch.rand(rate.shape, generator=generator, device=rate.device, dtype=torch.float32)
    normal = torch.erfinv((2 * luck - 1).clamp_(-1 + 1e-7, 1 - 1e-7)).mul_(2**0.5)
    high = rate.clamp(min=_FEW)
    square, root = normal.square(), high.rsqrt()
    tail = (square / 270 + 7 / 810).mul_(square).sub_(8 / 405).mul_(root)
    tail.addcmul_(normal, square / -72 - 1 / 36).mul_(root)
    counts = high.add_(tail).addcdiv_(normal, root).add_(square, alpha=1 / 6).add_(1 / 3).floor_().clamp_(min=0.0)
    return (_where_few if rate.device.type == "cpu" else _everywhere)(rate, luck, counts)


def _where_few(rate: Tensor, luck: Tensor, counts: Tensor) -> Tensor:
    """Counts, of low rates those that are added up."""
    few = (rate < _FEW).flatten().nonzero().squeeze(1)
    added = _added_up(rate.flatten().index_select(0, few), luck.flatten().index_select(0, few))
    return counts.flatten().index_copy_(0, few, added).view(rate.shape)


def _everywhere(rate: Tensor, luck: Tensor, counts: Tensor) -> Tensor:
    """The same with more sums, for a device, which would have to be asked how many low rates there are."""
    return torch.where(rate < _FEW, _added_up(rate.clamp(max=_FEW), luck), counts)


def _added_up(rate: Tensor, luck: Tensor) -> Tensor:
    chance, count, more = torch.exp(-rate), torch.zeros_like(rate), torch.empty_like(rate)
    total = chance.clone()
    for k in range(1, _MOST + 1):  # in place: new memory would take longer than the numbers
        count.add_(torch.ge(luck, total, out=more))
        total.add_(chance.mul_(rate).mul_(1 / k))
    return count
