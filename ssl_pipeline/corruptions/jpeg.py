"""JPEG: what that file format leaves of a picture."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._jpeg import jpeg
from ssl_pipeline.corruptions._pictures import Limits, PictureCorruption
from ssl_pipeline.corruptions.base import Range


@register("corruption", "jpeg")
class Jpeg(PictureCorruption):
    """JPEG compression, ITU-T T.81, with libjpeg's tables; severities of https://arxiv.org/abs/1903.12261.

    Three channels are coded as colours with chroma at half size (4:2:0), others as grey pictures, each frame of a video
    by itself. Values are rounded to 255 steps, as a file rounds them.

    Args:
        quality: 1 (worst) to 100 as in libjpeg and Pillow, a number or an interval drawn from per sample.
        severity: 1 to 5, likewise, in its place: 25, 18, 15, 10 and 7.

    Raises:
        ValueError: another grid than of pictures; an option outside its bounds; both options.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("y", 8), ("x", 8), channels=1)
    >>> view = Jpeg(quality=50).bind(grid)(clean_view(grid, torch.zeros(1, 1, 8, 8)), torch.Generator())
    >>> (255 * view.x).unique()
    tensor([0.])
    """

    corruption_params = ("quality",)
    levels: ClassVar = {"quality": (25.0, 18.0, 15.0, 10.0, 7.0)}
    limits: ClassVar = {"quality": Limits(1.0, 100.0, 100.0)}

    def __init__(self, *, quality: Range | None = None, severity: Range | None = None) -> None:
        super().__init__(severity=severity, quality=quality)

    def drawn(self, batch: int, generator: torch.Generator) -> dict[str, Tensor]:
        return {"quality": super().drawn(batch, generator)["quality"].round()}

    def corrupted(
        self, x: Float[Tensor, "B C *grid"], options: dict[str, Tensor], generator: torch.Generator
    ) -> Float[Tensor, "B C *grid"]:
        frames = x.flatten(2, -3).transpose(1, 2) if x.ndim > 4 else x.unsqueeze(1)
        quality = options["quality"].repeat_interleave(frames.shape[1])
        found = jpeg(frames.flatten(0, 1), quality).view(frames.shape)
        return found.transpose(1, 2).reshape(x.shape)
