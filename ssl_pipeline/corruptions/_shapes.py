"""Shapes with soft edges: 1 where they cover a cell, 0 where they do not, in between at the edge."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def bar(
    y: Float[Tensor, "#B #H 1"],
    x: Float[Tensor, "#B 1 #W"],
    angle: Float[Tensor, "B 1 1"],
    length: Float[Tensor, "B 1 1"],
    width: Float[Tensor, "B 1 1"] | float,
) -> Float[Tensor, "B H W"]:
    """A line of some width.

    Args:
        y: distance of the cells from the middle, in cells; x likewise.
        angle: from the x axis toward the y axis, in radians.
        length: in cells, as ``width``.

    >>> taps = torch.arange(-2, 3.0)
    >>> one = torch.ones(1, 1, 1)
    >>> bar(torch.zeros(1, 1, 1), taps.view(1, 1, 5), 0 * one, 2 * one, 1.0).flatten()
    tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    cos, sin = angle.cos(), angle.sin()
    along, across = x * cos + y * sin, y * cos - x * sin
    ends = (length / 2 + 0.5 - along.abs()).clamp_(0, 1)
    return ends.mul_((width / 2 + 0.5 - across.abs()).clamp_(0, 1))


def disk(
    y: Float[Tensor, "#B #H 1"], x: Float[Tensor, "#B 1 #W"], radius: Float[Tensor, "B 1 1"]
) -> Float[Tensor, "B H W"]:
    """A disk, arguments as of ``bar``.

    >>> disk(torch.zeros(1, 1, 1), torch.arange(3.0).view(1, 1, 3), torch.full((1, 1, 1), 1.25)).flatten()
    tensor([1.0000, 0.7500, 0.0000])
    """
    return (radius + 0.5 - torch.hypot(y, x)).clamp_(0, 1)
