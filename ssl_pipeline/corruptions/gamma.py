"""Gamma: middle values become brighter or darker, black and white stay."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._pictures import Limits, PictureCorruption, each, sign
from ssl_pipeline.corruptions.base import Range


@register("corruption", "gamma")
class Gamma(PictureCorruption):
    """Values become their power of ``gamma``, as on a display of another coding.

    Args:
        gamma: exponent, a number or an interval drawn from per sample; above 1 pictures become darker.
        severity: 1 to 5, likewise, in its place: 1.25, 1.5, 1.8, 2.2 and 2.8, of half of the samples one over that.

    Raises:
        ValueError: another grid than of pictures; an option outside its bounds; both options.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("y", 1), ("x", 2), channels=1)
    >>> Gamma(gamma=2).bind(grid)(clean_view(grid, torch.tensor([0.5, 1.0]).view(1, 1, 1, 2)), torch.Generator()).x
    tensor([[[[0.2500, 1.0000]]]])
    """

    corruption_params = ("gamma",)
    levels: ClassVar = {"gamma": (1.25, 1.5, 1.8, 2.2, 2.8)}
    limits: ClassVar = {"gamma": Limits(0.01, 100.0, 1.0)}

    def __init__(self, *, gamma: Range | None = None, severity: Range | None = None) -> None:
        super().__init__(severity=severity, gamma=gamma)

    def drawn(self, batch: int, generator: torch.Generator) -> dict[str, Tensor]:
        gamma = super().drawn(batch, generator)["gamma"]
        return {"gamma": gamma if self.severity is None else gamma ** sign(batch, generator)}

    def corrupted(
        self, x: Float[Tensor, "B C *grid"], options: dict[str, Tensor], generator: torch.Generator
    ) -> Float[Tensor, "B C *grid"]:
        return x.clamp(min=0.0) ** each(options["gamma"], x)
