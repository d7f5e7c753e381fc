"""Strokes: thick curves over the picture."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._marks import CountedMarks, rows_and_columns
from ssl_pipeline.corruptions._pictures import Limits
from ssl_pipeline.corruptions._validation import interval
from ssl_pipeline.corruptions.base import Range, draw

_POINTS = 40  # disks that make a stroke: its thinnest part shows no beads


@register("corruption", "strokes")
class Strokes(CountedMarks):
    """Thick quadratic Bezier curves of a random colour, as of a pen, a brush or a censor.

    Args:
        count: number of strokes, a number or an interval drawn from per sample, rounded.
        width: of the strokes as a share of the picture's shorter side, likewise.
        severity: 1 to 5, likewise, in place of ``count``: 1, 2, 3, 4 and 6 strokes.

    Raises:
        ValueError: another grid than of pictures; an option outside its bounds; both ``count`` and ``severity``.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("y", 32), ("x", 32), channels=1)
    >>> view = Strokes(count=1).bind(grid)(clean_view(grid, torch.zeros(1, 1, 32, 32)), torch.Generator())
    >>> bool(0.3 < (view.x == 0).float().mean() < 1)
    True
    """

    levels: ClassVar = {"count": (1.0, 2.0, 3.0, 4.0, 6.0)}
    limits: ClassVar = {"count": Limits(0.0, 1000.0, 0.0)}

    def __init__(
        self, *, count: Range | None = None, width: Range = (0.05, 0.1), severity: Range | None = None
    ) -> None:
        super().__init__(severity=severity, count=count)
        self.width = interval("width", width, 0.0, 1.0)

    def cover(
        self, x: Float[Tensor, "B C *grid"], options: dict[str, Tensor], generator: torch.Generator
    ) -> Float[Tensor, "B H W"]:
        height, across = x.shape[-2:]
        rows, columns = rows_and_columns(x)
        t = torch.linspace(0, 1, _POINTS, device=x.device).view(-1, 1)
        basis = torch.cat([(1 - t).square(), 2 * t * (1 - t), t.square()], dim=1)
        nearest = x.new_full((len(x), height, across), math.inf)
        for i, corners in enumerate(self.luck(x, 6, generator)):
            top, left = basis @ corners[:3] * height, basis @ corners[3:] * across
            top = torch.where(i < options["count"], top, math.inf)
            for point in range(_POINTS):
                below, beside = rows - top[point].view(-1, 1, 1), columns - left[point].view(-1, 1, 1)
                torch.minimum(nearest, below.square() + beside.square(), out=nearest)
        width = draw(self.width, len(x), generator).view(-1, 1, 1) * min(height, across)
        return (width / 2 + 0.5 - nearest.sqrt_()).clamp_(0, 1)

    def shade(self, x: Float[Tensor, "B C *grid"], options: dict[str, Tensor], generator: torch.Generator) -> Tensor:
        colour = torch.rand((len(x), x.shape[1]), generator=generator, device=x.device)
        return colour.view(*colour.shape, *[1] * (x.ndim - 2))
