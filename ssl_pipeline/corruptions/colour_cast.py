"""ColourCast: light of another colour."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._pictures import Limits, PictureCorruption
from ssl_pipeline.corruptions.base import Range

_GREY_TO_RED = (2 / math.sqrt(6), -1 / math.sqrt(6), -1 / math.sqrt(6))
_GREEN_TO_BLUE = (0.0, 1 / math.sqrt(2), -1 / math.sqrt(2))


@register("corruption", "colour_cast")
class ColourCast(PictureCorruption):
    """Red, green and blue each get a gain of their own, as under a light that the camera does not correct,
    https://arxiv.org/abs/1912.06960; what is beyond white is lost.

    Args:
        stops: how far the gains are from 1: root of the sum of the squares of their logarithms to base 2, whose sum is
            0; a number or an interval drawn from per sample. Towards which colour is random.
        severity: 1 to 5, likewise, in its place: 0.2, 0.4, 0.6, 0.8 and 1.

    Raises:
        ValueError: another grid than of pictures in three colours; an option outside its bounds; both options.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("y", 1), ("x", 1), channels=3)
    >>> view = ColourCast(stops=0.5).bind(grid)(clean_view(grid, torch.full((1, 3, 1, 1), 0.5)), torch.Generator())
    >>> view.x.log2().add(1).square().sum()
    tensor(0.2500)
    """

    colour = True
    corruption_params = ("red", "green", "blue")
    levels: ClassVar = {"stops": (0.2, 0.4, 0.6, 0.8, 1.0)}
    limits: ClassVar = {"stops": Limits(0.0, 20.0, 0.0)}

    def __init__(self, *, stops: Range | None = None, severity: Range | None = None) -> None:
        super().__init__(severity=severity, stops=stops)

    def drawn(self, batch: int, generator: torch.Generator) -> dict[str, Tensor]:
        angle = 2 * math.pi * torch.rand(batch, generator=generator, device=generator.device)
        stops, cos, sin = super().drawn(batch, generator)["stops"], angle.cos(), angle.sin()
        gains = [torch.exp2(stops * (a * cos + b * sin)) for a, b in zip(_GREY_TO_RED, _GREEN_TO_BLUE, strict=True)]
        return dict(zip(self.corruption_params, gains, strict=True))

    def corrupted(
        self, x: Float[Tensor, "B C *grid"], options: dict[str, Tensor], generator: torch.Generator
    ) -> Float[Tensor, "B C *grid"]:
        gains = torch.stack([options[name] for name in self.corruption_params], dim=1)
        return (x * gains.view(-1, 3, *[1] * (x.ndim - 2))).clamp_(0, 1)
