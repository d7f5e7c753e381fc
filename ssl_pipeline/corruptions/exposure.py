"""Exposure: too much or too little light."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._pictures import GAMMA, Limits, PictureCorruption, each, sign
from ssl_pipeline.corruptions.base import Range


@register("corruption", "exposure")
class Exposure(PictureCorruption):
    """More or less light; what is beyond white is lost.

    Values are taken to be coded as displays take them, so that light is their power of 2.2, and a stop (twice the
    light) multiplies them by ``2^(1 / 2.2)``.

    Args:
        stops: by how much, a number or an interval drawn from per sample; below 0: too little light.
        severity: 1 to 5, likewise, in its place: 1, 1.5, 2, 2.5 and 3 stops, of half of the samples below 0.

    Raises:
        ValueError: another grid than of pictures; an option outside its bounds; both options.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("y", 1), ("x", 2), channels=1)
    >>> clean = clean_view(grid, torch.tensor([0.2, 0.6]).view(1, 1, 1, 2))
    >>> Exposure(stops=2.2).bind(grid)(clean, torch.Generator()).x
    tensor([[[[0.4000, 1.0000]]]])
    """

    corruption_params = ("stops",)
    levels: ClassVar = {"stops": (1.0, 1.5, 2.0, 2.5, 3.0)}
    limits: ClassVar = {"stops": Limits(-20.0, 20.0, 0.0)}

    def __init__(self, *, stops: Range | None = None, severity: Range | None = None) -> None:
        super().__init__(severity=severity, stops=stops)

    def drawn(self, batch: int, generator: torch.Generator) -> dict[str, Tensor]:
        stops = super().drawn(batch, generator)["stops"]
        return {"stops": stops if self.severity is None else stops * sign(batch, generator)}

    def corrupted(
        self, x: Float[Tensor, "B C *grid"], options: dict[str, Tensor], generator: torch.Generator
    ) -> Float[Tensor, "B C *grid"]:
        return (x * each(torch.exp2(options["stops"] / GAMMA), x)).clamp_(0, 1)
