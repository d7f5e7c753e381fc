"""Downscale: pictures are made smaller by a real factor, and as large as before again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._kernels import KERNELS, resampling
from ssl_pipeline.corruptions._pictures import Limits, PictureCorruption, kinds_of, one_of, some_of
from ssl_pipeline.corruptions._validation import interval
from ssl_pipeline.corruptions.base import Range


@register("corruption", "downscale")
class Downscale(PictureCorruption):
    """What resizing to fewer cells leaves, by the kernels that programs use for it; the grid stays. As LowRes, with any
    factor and kernel; of a video, frame by frame.

    ``severity`` is that of pixelation in https://arxiv.org/abs/1903.12261.

    Args:
        kernels: ``nearest``, ``box``, ``bilinear``, ``bicubic``, ``lanczos``, of which each sample draws one.
        antialias: probability that the kernel grows with the factor, as in Pillow; otherwise cells are skipped, as in
            OpenCV.
        up: ``nearest`` and ``bicubic``, of which each sample draws one for the way back.
        factor: cells before over cells after along each axis, a number or an interval drawn from per sample; cells
            are whole ones, at least one.
        severity: 1 to 5, likewise, in its place: 1.67, 2, 2.5, 3.33 and 4.

    Raises:
        ValueError: another grid than of pictures; an option outside its bounds; an unknown kernel; both ``factor`` and
            ``severity``.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("y", 1), ("x", 4), channels=1)
    >>> clean = clean_view(grid, torch.tensor([0.0, 1.0, 0.5, 0.5]).view(1, 1, 1, 4))
    >>> Downscale(kernels=["box"], antialias=1, up=["nearest"], factor=2).bind(grid)(clean, torch.Generator()).x
    tensor([[[[0.5000, 0.5000, 0.5000, 0.5000]]]])
    """

    levels: ClassVar = {"factor": (1 / 0.6, 2.0, 2.5, 1 / 0.3, 4.0)}
    limits: ClassVar = {"factor": Limits(1.0, 10000.0, 1.0)}

    def __init__(
        self,
        *,
        kernels: Sequence[str] = ("nearest", "box", "bilinear", "bicubic", "lanczos"),
        antialias: float = 0.8,
        up: Sequence[str] = ("nearest", "bicubic"),
        factor: Range | None = None,
        severity: Range | None = None,
    ) -> None:
        super().__init__(severity=severity, factor=factor)
        self.kernels, self.up = kinds_of("kernels", kernels, KERNELS), kinds_of("up", up, {"nearest": 0, "bicubic": 1})
        self.antialias = interval("antialias", antialias, 0.0, 1.0)[0]

    @property
    def corruption_params(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return ("factor", "antialias", *some_of("kernel", self.kernels), *some_of("up", self.up))

    def drawn(self, batch: int, generator: torch.Generator) -> dict[str, Tensor]:
        luck = torch.rand(batch, generator=generator, device=generator.device)
        kinds = one_of("kernel", self.kernels, batch, generator) | one_of("up", self.up, batch, generator)
        return super().drawn(batch, generator) | kinds | {"antialias": luck < self.antialias}

    def corrupted(
        self, x: Float[Tensor, "B C *grid"], options: dict[str, Tensor], generator: torch.Generator
    ) -> Float[Tensor, "B C *grid"]:
        way = {size: self._there_and_back(size, options) for size in {*x.shape[-2:]}}
        rows, columns = (way[size] for size in x.shape[-2:])
        frames = x.flatten(1, -3)
        return (rows.unsqueeze(1) @ (frames @ columns.mT.unsqueeze(1))).view(x.shape)

    def _there_and_back(self, size: int, options: dict[str, Tensor]) -> Float[Tensor, "B n n"]:
        fine = torch.full_like(options["factor"], size)
        coarse = (fine / options["factor"]).round().clamp(1, size)
        smooth = options["antialias"]
        down = resampling(coarse, fine, size, self.kernels, options["kernel"], smooth)
        return resampling(fine, coarse, size, self.up, options["up"], torch.zeros_like(smooth)) @ down
