"""Shot: a picture made of few photons."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._pictures import Limits, PictureCorruption, each
from ssl_pipeline.corruptions._poisson import poisson
from ssl_pipeline.corruptions.base import Range


@register("corruption", "shot")
class Shot(PictureCorruption):
    """Shot (Poisson) noise, https://arxiv.org/abs/1903.12261: values are counts of photons over ``photons``.

    Args:
        photons: mean number of photons that make white, a number or an interval drawn from per sample.
        severity: 1 to 5, likewise, in its place: 60, 25, 12, 5 and 3 photons.

    Raises:
        ValueError: another grid than of pictures; an option outside its bounds; both options.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("y", 64), ("x", 64), channels=1)
    >>> view = Shot(photons=10).bind(grid)(clean_view(grid, torch.full((1, 1, 64, 64), 0.5)), torch.Generator())
    >>> view.x.unique()[:4]
    tensor([0.0000, 0.1000, 0.2000, 0.3000])
    """

    corruption_params = ("photons",)
    levels: ClassVar = {"photons": (60.0, 25.0, 12.0, 5.0, 3.0)}
    limits: ClassVar = {"photons": Limits(0.01, math.inf, 60.0)}

    def __init__(self, *, photons: Range | None = None, severity: Range | None = None) -> None:
        super().__init__(severity=severity, photons=photons)

    def corrupted(
        self, x: Float[Tensor, "B C *grid"], options: dict[str, Tensor], generator: torch.Generator
    ) -> Float[Tensor, "B C *grid"]:
        photons = each(options["photons"], x)
        return poisson(x.clamp(min=0.0) * photons, generator) / photons
