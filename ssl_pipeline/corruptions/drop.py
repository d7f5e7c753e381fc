"""Drop: every k-th token or word is left out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._tokens import (
    SEPARATORS,
    Content,
    Unit,
    check_text,
    check_unit,
    content,
    front,
    moved,
    padding_symbol,
    run_starts,
    separates,
)
from ssl_pipeline.corruptions.base import Corruption
from ssl_pipeline.structures.batch import View


def word_numbers(text: Content, separators: Sequence[int]) -> Int64[Tensor, "B N"]:
    """Which word a cell belongs to; separators go with the word before them, -1 before the first."""
    gap = separates(text.x, separators)
    return (run_starts(gap) & ~gap).long().cumsum(1) - 1


@register("corruption", "drop")
class Drop(Corruption):
    """Every k-th token or word is left out, the rest moves together, and the end is padded.

    Which one is the first to go is drawn per sample. A word goes with the separators after it; an end symbol stays;
    a text of which nothing would be left stays whole.

    Args:
        every: k, at least 2.
        unit: what is left out, ``token`` or ``word``.
        separators: symbols between words; the defaults are white space in bytes.

    Raises:
        ValueError: ``every`` below 2; an unknown unit; no separator; no text.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("position", 6), vocab=10)
    >>> view = Drop(every=2).bind(grid)(clean_view(grid, torch.tensor([[1, 2, 3, 4, 5, 6]])), torch.Generator())
    >>> view.valid.sum().item(), view.x[view.valid].diff().tolist()
    (3, [2, 2])
    """

    def __init__(self, *, every: int = 4, unit: Unit = "token", separators: Sequence[int] = SEPARATORS) -> None:
        check_unit(unit)
        if every < 2:
            raise ValueError(f"every must be at least 2, or nothing is left, got {every}: set 2 or more")
        if not separators:
            raise ValueError("separators needs at least one symbol, got none: name one or leave the default")
        self.every, self.unit, self.separators = every, unit, tuple(separators)

    def setup(self) -> None:
        """A grid of one discrete axis is needed."""
        check_text("drop", self.grid)

    def __call__(self, view: View, generator: torch.Generator) -> View:
        text = content(view, self.grid)
        number = text.index.expand(view.x.shape) if self.unit == "token" else word_numbers(text, self.separators)
        phase = torch.randint(self.every, (view.x.shape[0], 1), generator=generator, device=view.x.device)
        goes = text.inside & (number >= 0) & ((number + phase) % self.every == 0)
        goes = goes & (text.inside & ~goes).any(1, keepdim=True)
        keep = ~goes & (text.index < text.length + text.closed.long())
        cells = text.cells.gather(1, front(keep))
        valid = text.index < keep.sum(1, keepdim=True)
        x = view.x.gather(1, cells).masked_fill(~valid, padding_symbol(self.grid))
        return moved(view, x, cells, valid)
