"""LowLight: a dark picture, and the noise that comes with it."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._pictures import GAMMA, Limits, PictureCorruption, each
from ssl_pipeline.corruptions._poisson import poisson
from ssl_pipeline.corruptions._validation import interval
from ssl_pipeline.corruptions.base import Range, draw
from ssl_pipeline.corruptions.noise import gaussian


@register("corruption", "low_light")
class LowLight(PictureCorruption):
    """Little light counted as photons, read by a noisy amplifier; the picture stays dark. Light is the power of 2.2 of
    the values, as in ``exposure``; the noise is that of https://arxiv.org/abs/1811.11127.

    Args:
        stops: by how much there is less light (1: half of it), a number or an interval drawn from per sample. Where
            only ``photons`` is given, 0.
        photons: mean number of photons that made white before, likewise. Where only ``stops`` is given, 1000.
        read: standard deviation of the amplifier's noise in photons, likewise.
        severity: 1 to 5, likewise, in place of ``stops`` and ``photons``: 1 stop of 1000 photons to 3 stops of 60.

    Raises:
        ValueError: another grid than of pictures; an option outside its bounds; ``severity`` and what it stands for.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("y", 32), ("x", 32), channels=1)
    >>> clean = clean_view(grid, torch.ones(1, 1, 32, 32))
    >>> view = LowLight(stops=2.2, photons=1e6).bind(grid)(clean, torch.Generator())
    >>> round(view.x.mean().item(), 2)
    0.5
    """

    corruption_params = ("stops", "photons")
    levels: ClassVar = {"stops": (1.0, 1.5, 2.0, 2.5, 3.0), "photons": (1000.0, 500.0, 250.0, 120.0, 60.0)}
    limits: ClassVar = {"stops": Limits(0.0, 20.0, 0.0), "photons": Limits(0.01, 1e9, 1000.0)}

    def __init__(
        self,
        *,
        stops: Range | None = None,
        photons: Range | None = None,
        read: Range = 2.0,
        severity: Range | None = None,
    ) -> None:
        super().__init__(severity=severity, stops=stops, photons=photons)
        self.read = interval("read", read, 0.0, math.inf)

    def corrupted(
        self, x: Float[Tensor, "B C *grid"], options: dict[str, Tensor], generator: torch.Generator
    ) -> Float[Tensor, "B C *grid"]:
        white = each(options["photons"], x)
        light = x.clamp(min=0.0) ** GAMMA * (white * each(torch.exp2(-options["stops"]), x))
        read = each(draw(self.read, len(x), generator), x)
        found = torch.addcmul(poisson(light, generator), read, gaussian(x, generator))
        return (found / white).clamp_(0, 1) ** (1 / GAMMA)
