"""Blur: each sample's own kernel runs over it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._pictures import Limits, PictureCorruption, kinds_of, one_of, some_of
from ssl_pipeline.corruptions._shapes import disk
from ssl_pipeline.corruptions.base import Range


def _gaussian(y: Tensor, x: Tensor, sigma: Tensor, angle: Tensor) -> Tensor:
    return torch.exp(-0.5 * (y.square() + x.square()) / sigma.clamp(min=1e-3).square())


def _defocus(y: Tensor, x: Tensor, sigma: Tensor, angle: Tensor) -> Tensor:
    return disk(y, x, 2 * sigma)


def _motion(y: Tensor, x: Tensor, sigma: Tensor, angle: Tensor) -> Tensor:
    at = torch.linspace(-0.5, 0.5, 2 * y.shape[1] - 1, device=y.device) * math.sqrt(24) * sigma
    rows = (1 - (y - at * angle.sin()).abs()).clamp_(min=0)  # each point of the line is shared out to four cells
    columns = (1 - (x.mT - at * angle.cos()).abs()).clamp_(min=0)
    return rows @ columns.mT


_KERNELS = {"gaussian": _gaussian, "defocus": _defocus, "motion": _motion}
_PICTURE = 224  # cells of the pictures that the first row is for
_SIGMA = ((1.0, 2.0, 3.0, 4.0, 6.0), (0.4, 0.6, 0.7, 0.8, 1.0))


def filtered(x: Float[Tensor, "B F H W"], kernel: Float[Tensor, "B k k"]) -> Float[Tensor, "B F H W"]:
    """Each sample under a kernel of its own; the border continues.

    A grouped convolution: at 64 cells on a CPU twice as fast as a product of spectra.
    """
    radius = kernel.shape[-1] // 2
    padded = F.pad(x, (radius,) * 4, mode="replicate").transpose(0, 1)
    return F.conv2d(padded, kernel.unsqueeze(1), groups=len(x)).transpose(0, 1)


@register("corruption", "blur")
class Blur(PictureCorruption):
    """Gaussian, defocus and motion blur, https://arxiv.org/abs/1903.12261; of a video, frame by frame.

    Kernels of the same ``sigma`` are as wide: a disk (defocus) has a radius of ``2 sigma``, and a line (motion) a
    length of ``sqrt(24) sigma``, as its variance along one direction is that of a Gaussian along two.

    Args:
        kinds: ``gaussian``, ``defocus``, ``motion``, of which each sample draws one.
        sigma: standard deviation of the kernel in cells, a number or an interval drawn from per sample.
        severity: 1 to 5, likewise, in its place: 1, 2, 3, 4 and 6 cells of 224 along the shorter side, at least 0.4,
            0.6, 0.7, 0.8 and 1, which that paper's authors take for 32.

    Raises:
        ValueError: another grid than of pictures; an option outside its bounds; an unknown kind; both ``sigma`` and
            ``severity``.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("y", 1), ("x", 5), channels=1)
    >>> clean = clean_view(grid, torch.tensor([0.0, 0, 1, 0, 0]).view(1, 1, 1, 5))
    >>> Blur(kinds=["gaussian"], sigma=0.5).bind(grid)(clean, torch.Generator()).x.flatten()
    tensor([2.6387e-04, 1.0645e-01, 7.8657e-01, 1.0645e-01, 2.6387e-04])
    """

    limits: ClassVar = {"sigma": Limits(0.0, 1000.0, 0.0)}

    def __init__(
        self,
        *,
        kinds: Sequence[str] = ("gaussian", "defocus", "motion"),
        sigma: Range | None = None,
        severity: Range | None = None,
    ) -> None:
        super().__init__(severity=severity, sigma=sigma)
        self.kinds = kinds_of("kinds", kinds, _KERNELS)

    @property
    def levels(self) -> Mapping[str, Sequence[float]]:  # pyright: ignore[reportIncompatibleVariableOverride]
        size = min(self.grid.shape[-2:]) / _PICTURE
        return {"sigma": tuple(max(size * large, small) for large, small in zip(*_SIGMA, strict=True))}

    @property
    def corruption_params(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return ("sigma", *(["angle"] if "motion" in self.kinds else []), *some_of("kind", self.kinds))

    def drawn(self, batch: int, generator: torch.Generator) -> dict[str, Tensor]:
        kind = one_of("kind", self.kinds, batch, generator)
        angle = math.pi * torch.rand(batch, generator=generator, device=generator.device)
        if len(self.kinds) > 1 and "motion" in self.kinds:
            angle = angle * kind["kind.motion"]
        return super().drawn(batch, generator) | kind | {"angle": angle}

    def corrupted(
        self, x: Float[Tensor, "B C *grid"], options: dict[str, Tensor], generator: torch.Generator
    ) -> Float[Tensor, "B C *grid"]:
        radius = max(1, math.ceil(3 * self.greatest("sigma")))
        taps = torch.arange(-radius, radius + 1.0, device=x.device)
        size, angle = options["sigma"].view(-1, 1, 1), options["angle"].view(-1, 1, 1)
        kernels = torch.stack([_KERNELS[k](taps.view(1, -1, 1), taps.view(1, 1, -1), size, angle) for k in self.kinds])
        kernel = kernels[options["kind"], torch.arange(len(x), device=x.device)]
        return filtered(x.flatten(1, -3), kernel / kernel.sum((1, 2), keepdim=True)).reshape(x.shape)
