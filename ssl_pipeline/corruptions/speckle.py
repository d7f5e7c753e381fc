"""Speckle: noise in proportion to the value."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._pictures import Limits, PictureCorruption, each
from ssl_pipeline.corruptions.base import Range
from ssl_pipeline.corruptions.noise import gaussian


@register("corruption", "speckle")
class Speckle(PictureCorruption):
    """Values times ``1 + sigma * n`` with normal n, as of radar and ultrasound, https://arxiv.org/abs/1903.12261.

    Args:
        sigma: standard deviation over the value, a number or an interval drawn from per sample.
        severity: 1 to 5, likewise, in its place: 0.15, 0.2, 0.35, 0.45 and 0.6.

    Raises:
        ValueError: another grid than of pictures; an option outside its bounds; both options.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("y", 64), ("x", 64), channels=1)
    >>> view = Speckle(sigma=0.2).bind(grid)(clean_view(grid, torch.full((1, 1, 64, 64), 0.5)), torch.Generator())
    >>> round(view.x.std().item(), 1)
    0.1
    """

    corruption_params = ("sigma",)
    levels: ClassVar = {"sigma": (0.15, 0.2, 0.35, 0.45, 0.6)}
    limits: ClassVar = {"sigma": Limits(0.0, math.inf, 0.0)}

    def __init__(self, *, sigma: Range | None = None, severity: Range | None = None) -> None:
        super().__init__(severity=severity, sigma=sigma)

    def corrupted(
        self, x: Float[Tensor, "B C *grid"], options: dict[str, Tensor], generator: torch.Generator
    ) -> Float[Tensor, "B C *grid"]:
        return torch.addcmul(x, x * each(options["sigma"], x), gaussian(x, generator))
