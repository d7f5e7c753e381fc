"""Sensor: the noise of a camera's raw values."""

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


@register("corruption", "sensor")
class Sensor(PictureCorruption):
    """Gaussian noise of variance ``shot * x + read^2``, as raw values have it, https://arxiv.org/abs/1811.11127.

    The severities lie on the line of that paper, on which the read noise of cameras follows their shot noise, with its
    greatest shot noise in the middle.

    Args:
        shot: variance of the noise of a white place from the counts of light, of a range from 0 (black) to 1 (white);
            a number or an interval drawn from per sample. Where only ``read`` is given, 0.
        read: standard deviation of what the electronics add everywhere, likewise. Where only ``shot`` is given, 0.
        severity: 1 to 5, likewise, in place of both: 0.003 to 0.048 and 0.0032 to 0.0666.

    Raises:
        ValueError: another grid than of pictures; an option outside its bounds; ``severity`` and another one.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("y", 64), ("x", 64), channels=1)
    >>> view = Sensor(shot=0.04).bind(grid)(clean_view(grid, torch.full((1, 1, 64, 64), 0.25)), torch.Generator())
    >>> round(view.x.std().item(), 2)
    0.1
    """

    corruption_params = ("shot", "read")
    levels: ClassVar = {"shot": (0.003, 0.006, 0.012, 0.024, 0.048), "read": (0.0032, 0.0069, 0.0147, 0.0313, 0.0666)}
    limits: ClassVar = {"shot": Limits(0.0, math.inf, 0.0), "read": Limits(0.0, math.inf, 0.0)}

    def __init__(self, *, shot: Range | None = None, read: Range | None = None, severity: Range | None = None) -> None:
        super().__init__(severity=severity, shot=shot, read=read)

    def corrupted(
        self, x: Float[Tensor, "B C *grid"], options: dict[str, Tensor], generator: torch.Generator
    ) -> Float[Tensor, "B C *grid"]:
        variance = torch.addcmul(each(options["read"].square(), x), x.clamp(min=0.0), each(options["shot"], x))
        return torch.addcmul(x, variance.sqrt_(), gaussian(x, generator))
