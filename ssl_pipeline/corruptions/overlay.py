"""Overlay: rows of writing over the picture."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._marks import MarkCorruption
from ssl_pipeline.corruptions._pictures import Limits
from ssl_pipeline.corruptions._validation import interval
from ssl_pipeline.corruptions.base import Range, draw

_HIGH, _WIDE = 9, 6  # of a letter with the gap to the next one; the letter itself has 7 x 5
_SEGMENTS = (
    *((slice(row, row + 1), slice(0, 5)) for row in (0, 3, 6)),
    *((slice(top, top + 4), slice(left, left + 1)) for top in (0, 3) for left in (0, 2, 4)),
)


def letters(count: int, generator: torch.Generator) -> Float[Tensor, "n 9 6"]:
    """Bitmaps made of some of nine strokes each, as on displays; the first one is the space between words."""
    bank = torch.zeros(count, _HIGH, _WIDE)
    for letter in bank[1:]:
        for stroke in torch.randperm(len(_SEGMENTS), generator=generator)[:4].tolist():
            letter[_SEGMENTS[stroke]] = 1
    return bank


@register("corruption", "overlay")
class Overlay(MarkCorruption):
    """Rows of random letters, of each sample all black or all white, as of watermarks, subtitles and time stamps.

    Args:
        ratio: share of the rows that are written, a number or an interval drawn from per sample; at least one row.
        size: height of the letters as a share of the picture's shorter side, likewise, at least 7 cells.
        opacity: of the letters, likewise: 0 leaves the picture as it is, 1 covers it.
        severity: 1 to 5, likewise, in place of ``ratio``: 0.15, 0.3, 0.5, 0.7 and 1.

    Raises:
        ValueError: another grid than of pictures; an option outside its bounds; both ``ratio`` and ``severity``.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("y", 64), ("x", 64), channels=1)
    >>> clean = clean_view(grid, torch.full((1, 1, 64, 64), 0.5))
    >>> view = Overlay(ratio=1, opacity=1).bind(grid)(clean, torch.Generator())
    >>> len(view.x.unique())
    2
    """

    corruption_params = ("ratio", "opacity")
    levels: ClassVar = {"ratio": (0.15, 0.3, 0.5, 0.7, 1.0)}
    limits: ClassVar = {"ratio": Limits(0.0, 1.0, 1.0)}

    def __init__(
        self,
        *,
        ratio: Range | None = None,
        size: Range = (0.1, 0.2),
        opacity: Range = (0.6, 1.0),
        severity: Range | None = None,
    ) -> None:
        super().__init__(severity=severity, ratio=ratio)
        self.size, self.opacity = interval("size", size, 0.0, 1.0), interval("opacity", opacity, 0.0, 1.0)
        self.bank = letters(32, torch.Generator().manual_seed(0))

    def drawn(self, batch: int, generator: torch.Generator) -> dict[str, Tensor]:
        return super().drawn(batch, generator) | {"opacity": draw(self.opacity, batch, generator)}

    def cover(
        self, x: Float[Tensor, "B C *grid"], options: dict[str, Tensor], generator: torch.Generator
    ) -> Float[Tensor, "B H W"]:
        (height, across), batch, device = x.shape[-2:], len(x), x.device
        dot = (draw(self.size, batch, generator) * min(height, across) / (_HIGH - 2)).clamp(min=1).view(-1, 1)
        shift = torch.rand((2, batch, 1), generator=generator, device=device)
        down = (torch.arange(height, device=device) / dot + _HIGH * shift[0]).long()
        along = (torch.arange(across, device=device) / dot + _WIDE * shift[1]).long()
        rows, columns = height // _HIGH + 2, across // _WIDE + 2
        text = torch.randint(len(self.bank), (batch, rows, columns), generator=generator, device=device)
        there = down[:, -1:] // _HIGH + 1
        luck = torch.rand((batch, rows), generator=generator, device=device)
        luck = luck.masked_fill(torch.arange(rows, device=device) >= there, 2.0)
        written = luck.argsort(1).argsort(1) < (options["ratio"].view(-1, 1) * there).ceil().clamp(min=1)
        text = text * written.unsqueeze(2)
        sample = torch.arange(batch, device=device).view(-1, 1, 1)
        letter = text[sample, down.unsqueeze(2) // _HIGH, along.unsqueeze(1) // _WIDE]
        ink = self.bank.to(device)[letter, down.unsqueeze(2) % _HIGH, along.unsqueeze(1) % _WIDE]
        return ink * options["opacity"].view(-1, 1, 1)
