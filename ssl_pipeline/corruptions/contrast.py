"""Contrast: values come close to their mean."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._pictures import Limits, PictureCorruption, each
from ssl_pipeline.corruptions.base import Range


@register("corruption", "contrast")
class Contrast(PictureCorruption):
    """The distance of values to the mean of their channel and frame shrinks, https://arxiv.org/abs/1903.12261.

    Args:
        contrast: what is left of it, a number or an interval drawn from per sample; above 1 it grows.
        severity: 1 to 5, likewise, in its place: 0.4, 0.3, 0.2, 0.1 and 0.05.

    Raises:
        ValueError: another grid than of pictures; an option outside its bounds; both options.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("y", 1), ("x", 2), channels=1)
    >>> clean = clean_view(grid, torch.tensor([0.0, 1.0]).view(1, 1, 1, 2))
    >>> Contrast(contrast=0.5).bind(grid)(clean, torch.Generator()).x
    tensor([[[[0.2500, 0.7500]]]])
    """

    corruption_params = ("contrast",)
    levels: ClassVar = {"contrast": (0.4, 0.3, 0.2, 0.1, 0.05)}
    limits: ClassVar = {"contrast": Limits(0.0, 100.0, 1.0)}

    def __init__(self, *, contrast: Range | None = None, severity: Range | None = None) -> None:
        super().__init__(severity=severity, contrast=contrast)

    def corrupted(
        self, x: Float[Tensor, "B C *grid"], options: dict[str, Tensor], generator: torch.Generator
    ) -> Float[Tensor, "B C *grid"]:
        return torch.lerp(x.mean((-2, -1), keepdim=True), x, each(options["contrast"], x))
