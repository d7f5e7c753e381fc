"""Haze: the air between the camera and the scene becomes visible."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._pictures import Limits, PictureCorruption, each, over_frames
from ssl_pipeline.corruptions._validation import interval
from ssl_pipeline.corruptions.base import Range, draw

_OCTAVES = {2: 0.5, 4: 0.3, 8: 0.2}  # random numbers a side, and what they add


def clouds(x: Float[Tensor, "B C *grid"], generator: torch.Generator) -> Float[Tensor, "B H W"]:
    """Smooth random fields between -1 and 1 over the last two axes."""
    height, width = x.shape[-2:]
    field = x.new_zeros(len(x), 1, height, width)
    for side, weight in _OCTAVES.items():
        coarse = 2 * torch.rand((len(x), 1, side, side), generator=generator, device=x.device) - 1
        field += weight * F.interpolate(coarse, size=(height, width), mode="bilinear")
    return field.squeeze(1)


@register("corruption", "haze")
class Haze(PictureCorruption):
    """Koschmieder's law, https://doi.org/10.1109/TPAMI.2010.168: ``x * t + airlight * (1 - t)`` with the share
    ``t = exp(-density)`` of light that comes through; with ``patchy``, fog.

    Args:
        density: optical thickness of the air, a number or an interval drawn from per sample.
        airlight: value of air without end, from 0 (black) to 1 (white), likewise.
        patchy: largest relative change of the density from place to place, likewise; 0: even.
        severity: 1 to 5, likewise, in place of ``density``: 0.25, 0.45, 0.7, 1 and 1.4, of which 78 to 25 % of the
            light come through.

    Raises:
        ValueError: another grid than of pictures; an option outside its bounds; both ``density`` and ``severity``.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("y", 1), ("x", 1), channels=1)
    >>> haze = Haze(density=0.6931472, airlight=1, patchy=0).bind(grid)
    >>> haze(clean_view(grid, torch.zeros(1, 1, 1, 1)), torch.Generator()).x
    tensor([[[[0.5000]]]])
    """

    corruption_params = ("density", "airlight", "patchy")
    levels: ClassVar = {"density": (0.25, 0.45, 0.7, 1.0, 1.4)}
    limits: ClassVar = {"density": Limits(0.0, 100.0, 0.0)}

    def __init__(
        self,
        *,
        density: Range | None = None,
        airlight: Range = (0.7, 1.0),
        patchy: Range = (0.0, 0.8),
        severity: Range | None = None,
    ) -> None:
        super().__init__(severity=severity, density=density)
        self.airlight, self.patchy = interval("airlight", airlight, 0.0, 1.0), interval("patchy", patchy, 0.0, 1.0)

    def drawn(self, batch: int, generator: torch.Generator) -> dict[str, Tensor]:
        air = {name: draw(getattr(self, name), batch, generator) for name in ("airlight", "patchy")}
        return super().drawn(batch, generator) | air

    def corrupted(
        self, x: Float[Tensor, "B C *grid"], options: dict[str, Tensor], generator: torch.Generator
    ) -> Float[Tensor, "B C *grid"]:
        depth = 1 + options["patchy"].view(-1, 1, 1) * clouds(x, generator)
        through = torch.exp(-options["density"].view(-1, 1, 1) * depth)
        return torch.lerp(each(options["airlight"], x), x, over_frames(through, x))
