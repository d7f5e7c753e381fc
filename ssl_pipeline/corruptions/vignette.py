"""Vignette: the corners are dark."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._pictures import Limits, PictureCorruption, over_frames
from ssl_pipeline.corruptions.base import Range


@register("corruption", "vignette")
class Vignette(PictureCorruption):
    """Values fall off from the middle as light behind a lens does, with the fourth power of the cosine of its angle,
    https://doi.org/10.1007/3-540-45053-X_41.

    Args:
        loss: share of the value that the corners lose, a number or an interval drawn from per sample.
        severity: 1 to 5, likewise, in its place: 0.3, 0.5, 0.65, 0.8 and 0.9.

    Raises:
        ValueError: another grid than of pictures; an option outside its bounds; both options.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("y", 3), ("x", 3), channels=1)
    >>> view = Vignette(loss=0.75).bind(grid)(clean_view(grid, torch.ones(1, 1, 3, 3)), torch.Generator())
    >>> view.x[0, 0]
    tensor([[0.2500, 0.4444, 0.2500],
            [0.4444, 1.0000, 0.4444],
            [0.2500, 0.4444, 0.2500]])
    """

    corruption_params = ("loss",)
    levels: ClassVar = {"loss": (0.3, 0.5, 0.65, 0.8, 0.9)}
    limits: ClassVar = {"loss": Limits(0.0, 0.999, 0.0)}

    def __init__(self, *, loss: Range | None = None, severity: Range | None = None) -> None:
        super().__init__(severity=severity, loss=loss)

    def corrupted(
        self, x: Float[Tensor, "B C *grid"], options: dict[str, Tensor], generator: torch.Generator
    ) -> Float[Tensor, "B C *grid"]:
        y, x_line = (torch.arange(n, device=x.device) - (n - 1) / 2 for n in x.shape[-2:])
        square = y.square().unsqueeze(1) + x_line.square()
        square = square / square.max().clamp(min=1e-9)
        tangent = (1 - options["loss"]).rsqrt() - 1  # of the corner's angle, squared: 1 / cos^2 - 1
        return x * over_frames((1 + tangent.view(-1, 1, 1) * square) ** -2, x)
