"""Scratches: thin lines over the picture."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._marks import CountedMarks, rows_and_columns
from ssl_pipeline.corruptions._pictures import Limits
from ssl_pipeline.corruptions._shapes import bar
from ssl_pipeline.corruptions._validation import interval
from ssl_pipeline.corruptions.base import Range, draw


@register("corruption", "scratches")
class Scratches(CountedMarks):
    """Thin straight lines, of each sample all black or all white, as on film and old prints.

    Args:
        count: number of lines, a number or an interval drawn from per sample, rounded.
        width: of the lines in cells, likewise.
        severity: 1 to 5, likewise, in place of ``count``: 2, 4, 7, 11 and 16 lines.

    Raises:
        ValueError: another grid than of pictures; an option outside its bounds; both ``count`` and ``severity``.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("y", 32), ("x", 32), channels=1)
    >>> view = Scratches(count=3).bind(grid)(clean_view(grid, torch.full((1, 1, 32, 32), 0.5)), torch.Generator())
    >>> bool(0.5 < (view.x == 0.5).float().mean() < 1)
    True
    """

    levels: ClassVar = {"count": (2.0, 4.0, 7.0, 11.0, 16.0)}
    limits: ClassVar = {"count": Limits(0.0, 1000.0, 0.0)}

    def __init__(self, *, count: Range | None = None, width: Range = (0.7, 1.5), severity: Range | None = None) -> None:
        super().__init__(severity=severity, count=count)
        self.width = interval("width", width, 0.0, 1000.0)

    def cover(
        self, x: Float[Tensor, "B C *grid"], options: dict[str, Tensor], generator: torch.Generator
    ) -> Float[Tensor, "B H W"]:
        height, across = x.shape[-2:]
        rows, columns = rows_and_columns(x)
        width = draw(self.width, len(x), generator).view(-1, 1, 1)
        found = x.new_zeros(len(x), height, across)
        for i, line in enumerate(self.luck(x, 4, generator)):
            top, left, turn, length = line.view(4, -1, 1, 1)
            far = (0.3 + 0.9 * length) * max(height, across)
            one = bar(rows - top * height, columns - left * across, math.pi * turn, far, width)
            found = torch.maximum(found, one * (i < options["count"]).view(-1, 1, 1))
        return found
