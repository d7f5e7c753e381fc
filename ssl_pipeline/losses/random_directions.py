"""Random directions that the device draws by itself."""

from __future__ import annotations

from math import pi

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor


def directions(draw: Int64[Tensor, ""], width: int, count: int) -> Float[Tensor, "D K"]:
    """Unit vectors, uniform on the sphere: a pure function of the number of the draw, alike on all ranks.

    A ``torch.Generator`` would need that number on the host, which would wait for the device. So each cell of each
    draw has a number of its own, and these are hashed where they lie.

    Args:
        draw: number of the draw.
        width: numbers in a vector.
        count: number of vectors.

    >>> same, other = torch.tensor(3), torch.tensor(4)
    >>> a, b, c = (directions(n, 16, 5) for n in (same, same, other))
    >>> bool(a.equal(b)), bool(a.equal(c))
    (True, False)
    """
    size = 2 * width * count
    radius, angle = _uniform(draw * size + torch.arange(size, device=draw.device)).view(2, width, count)
    return F.normalize((-2 * radius.log()).sqrt() * (2 * pi * angle).cos(), dim=0)  # Box-Muller: normal numbers


def _uniform(number: Tensor) -> Tensor:
    """Above 0, up to 1: SplitMix64 (Steele, Lea and Flood 2014), whose products wrap in int64 as they should."""
    x = number * (0x9E3779B97F4A7C15 - 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9 - 2**64), (27, 0x94D049BB133111EB - 2**64)):
        x = (x ^ _shifted(x, shift)) * factor
    return (_shifted(x ^ _shifted(x, 31), 40) + 0.5) / 2**24


def _shifted(x: Tensor, by: int) -> Tensor:
    """To the right, zeros from the left."""
    return (x >> by) & ((1 << (64 - by)) - 1)
