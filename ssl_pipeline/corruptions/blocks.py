"""Blocks: squares cover parts of the picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._marks import CountedMarks
from ssl_pipeline.corruptions._pictures import Limits, each, kinds_of, one_of, some_of
from ssl_pipeline.corruptions._validation import interval
from ssl_pipeline.corruptions.base import Range, draw

_FILLS = ("black", "grey", "noise")


@register("corruption", "blocks")
class Blocks(CountedMarks):
    """Cutout, https://arxiv.org/abs/1708.04552, and random erasing, https://arxiv.org/abs/1708.04896: squares are lost.
    Unlike Mask it says to no one where.

    Args:
        fills: ``black``, ``grey`` (the middle of the range), ``noise`` (uniform), of which each sample draws one.
        count: number of squares, a number or an interval drawn from per sample, rounded.
        side: of the squares as a share of the picture's shorter side, likewise.
        aligned: probability that the squares of a sample lie where a tiling of its picture has them, as the blocks that
            a codec loses do.
        severity: 1 to 5, likewise, in place of ``count``: 1, 2, 3, 4 and 6 squares.

    Raises:
        ValueError: another grid than of pictures; an option outside its bounds; an unknown fill; both ``count`` and
            ``severity``.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("y", 8), ("x", 8), channels=1)
    >>> clean = clean_view(grid, torch.ones(1, 1, 8, 8))
    >>> Blocks(fills=["black"], count=1, side=0.5).bind(grid)(clean, torch.Generator()).x.sum()
    tensor(48.)
    """

    levels: ClassVar = {"count": (1.0, 2.0, 3.0, 4.0, 6.0)}
    limits: ClassVar = {"count": Limits(0.0, 1000.0, 0.0)}

    def __init__(
        self,
        *,
        fills: Sequence[str] = _FILLS,
        count: Range | None = None,
        side: Range = (0.2, 0.3),
        aligned: float = 0.0,
        severity: Range | None = None,
    ) -> None:
        super().__init__(severity=severity, count=count)
        self.fills, self.side = kinds_of("fills", fills, dict.fromkeys(_FILLS)), interval("side", side, 0.0, 1.0)
        self.aligned = interval("aligned", aligned, 0.0, 1.0)[0]

    @property
    def corruption_params(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return ("count", *some_of("fill", self.fills))

    def drawn(self, batch: int, generator: torch.Generator) -> dict[str, Tensor]:
        return super().drawn(batch, generator) | one_of("fill", self.fills, batch, generator)

    def cover(
        self, x: Float[Tensor, "B C *grid"], options: dict[str, Tensor], generator: torch.Generator
    ) -> Float[Tensor, "B H W"]:
        lines = []
        side = draw(self.side, len(x), generator).mul(min(x.shape[-2:])).round().clamp(min=1)
        luck = self.luck(x, 2, generator)
        tiled = torch.rand(len(x), generator=generator, device=x.device) < self.aligned
        there = torch.arange(len(luck), device=x.device).view(-1, 1) < options["count"]
        for start, size in zip(luck.unbind(1), x.shape[-2:], strict=True):
            first = (start * (size - side + 1)).floor()
            first = torch.where(tiled, (first / side).floor() * side, first).unsqueeze(2)
            cells = torch.arange(size, device=x.device)
            lines.append(((cells >= first) & (cells < first + side.view(1, -1, 1)) & there.unsqueeze(2)).to(x.dtype))
        return torch.einsum("nby,nbx->byx", *lines).clamp_(max=1)

    def shade(self, x: Float[Tensor, "B C *grid"], options: dict[str, Tensor], generator: torch.Generator) -> Tensor:
        fill = each(options["fill"], x)
        even = x.new_tensor([0.5 if name == "grey" else 0.0 for name in self.fills])[fill]
        if "noise" not in self.fills:
            return even
        noise = torch.rand(x.shape, generator=generator, device=x.device)
        return torch.where(fill == self.fills.index("noise"), noise, even)
