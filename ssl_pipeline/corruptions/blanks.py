"""Blanks: blanks between words are lost or doubled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._letters import chance, edited, is_bytes, leaving_some, with_room
from ssl_pipeline.corruptions._tokens import SEPARATORS, check_separators, check_text, content, separates
from ssl_pipeline.corruptions._validation import interval
from ssl_pipeline.corruptions.base import Corruption, Range, draw, severity_or
from ssl_pipeline.structures.batch import View
from ssl_pipeline.structures.grid import GridSpec


@register("corruption", "blanks")
class Blanks(Corruption):
    """White space between words is lost, so that they run together, or doubled (correcting it:
    https://aclanthology.org/W19-2513).

    The rest moves together or, where the grid has room, apart; the end symbol moves along.

    Args:
        ratio: probability that a blank is affected, a number or an interval drawn from per sample.
        lost: share of those that are lost, likewise; the others are doubled.
        separators: symbols that are blanks; the defaults are white space in bytes.
        severity: 1 to 5, likewise, in place of ``ratio``: 0.1, 0.2, 0.4, 0.6 and 0.9. Both None: [1, 5].

    Raises:
        ValueError: no text; an option outside its bounds; no separator; both ``ratio`` and ``severity``.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> grid = GridSpec.of(("position", 6), vocab=258, mask_token=257, end_token=256)
    >>> view = clean_view(grid, torch.tensor([[*b"I a m", 256]]))
    >>> bytes(Blanks(ratio=1.0, lost=1.0).bind(grid)(view, torch.Generator()).x[0, :3].tolist())
    b'Iam'
    """

    corruption_params = ("ratio",)
    levels: ClassVar = {"ratio": (0.1, 0.2, 0.4, 0.6, 0.9)}

    def __init__(
        self,
        *,
        ratio: Range | None = None,
        lost: Range = 0.5,
        separators: Sequence[int] = SEPARATORS,
        severity: Range | None = None,
    ) -> None:
        self.severity = severity_or(severity, ratio=ratio)
        self.ratio = interval("ratio", 0.0 if ratio is None else ratio, 0.0, 1.0)
        self.lost = interval("lost", lost, 0.0, 1.0)
        self.separators = check_separators(separators)

    @classmethod
    def suits(cls, grid: GridSpec) -> bool:
        return is_bytes(grid)

    def setup(self) -> None:
        """A grid of one discrete axis is needed."""
        check_text("blanks", self.grid)

    def __call__(self, view: View, generator: torch.Generator) -> View:
        text, batch = content(view, self.grid), len(view.x)
        ratio, lost = self.drawn(batch, generator)["ratio"], draw(self.lost, batch, generator)
        wrong = chance(text.x, ratio, generator) & text.inside & separates(text.x, self.separators)
        goes = chance(text.x, lost, generator)
        gone = leaving_some(wrong & goes, text)
        twice = with_room(wrong & ~goes, gone, text, generator)
        return edited(view, text, self.grid, text.x, gone, twice)._replace(params={**view.params, "ratio": ratio})
