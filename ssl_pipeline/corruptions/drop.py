"""Drop: tokens or words are left out, every k-th or a random share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._tokens import (
    SEPARATORS,
    Content,
    Unit,
    check_separators,
    check_text,
    check_unit,
    content,
    front,
    moved,
    padding_symbol,
    run_starts,
    separates,
)
from ssl_pipeline.corruptions._validation import interval
from ssl_pipeline.corruptions.base import Corruption, Range, severity_or
from ssl_pipeline.structures.batch import View
from ssl_pipeline.structures.grid import GridSpec


def word_numbers(text: Content, separators: Sequence[int]) -> Int64[Tensor, "B N"]:
    """Which word a cell belongs to; separators go with the word before them, -1 before the first."""
    gap = separates(text.x, separators)
    return (run_starts(gap) & ~gap).long().cumsum(1) - 1


@register("corruption", "drop")
class Drop(Corruption):
    """Every k-th token or word is left out, or a random share; the rest moves together, and the end is padded.

    Which one of every k goes is drawn per sample. A word goes with the separators after it; an end symbol stays;
    a text of which nothing would be left stays whole.

    Args:
        every: k, at least 2; None where neither ``ratio`` nor ``severity`` is given: 4.
        ratio: in its place, probability that a token or word is left out, a number or an interval drawn from per
            sample (word dropout, https://arxiv.org/abs/1901.11196).
        unit: what is left out, ``token`` or ``word``.
        separators: symbols between words; the defaults are white space in bytes.
        severity: 1 to 5, likewise, in place of both: a share of 0.05, 0.1, 0.2, 0.3 and 0.5.

    Raises:
        ValueError: ``every`` below 2; two of ``every``, ``ratio`` and ``severity``; an unknown unit; no
            separator; no text.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("position", 6), vocab=10)
    >>> view = Drop(every=2).bind(grid)(clean_view(grid, torch.tensor([[1, 2, 3, 4, 5, 6]])), torch.Generator())
    >>> view.valid.sum().item(), view.x[view.valid].diff().tolist()
    (3, [2, 2])
    """

    levels: ClassVar = {"ratio": (0.05, 0.1, 0.2, 0.3, 0.5)}

    def __init__(
        self,
        *,
        every: int | None = None,
        ratio: Range | None = None,
        unit: Unit = "token",
        separators: Sequence[int] = SEPARATORS,
        severity: Range | None = None,
    ) -> None:
        check_unit(unit)
        if every is not None and ratio is not None:
            raise ValueError(f"drop takes one of every and ratio, got every={every}, ratio={ratio}: leave one null")
        if every is not None and every < 2:
            raise ValueError(f"every must be at least 2, or nothing is left, got {every}: set 2 or more")
        self.severity = severity_or(severity, None, every=every, ratio=ratio)
        self.ratio = None if ratio is None else interval("ratio", ratio, 0.0, 1.0)
        self.every, self.unit, self.separators = every or 4, unit, check_separators(separators)

    @classmethod
    def suits(cls, grid: GridSpec) -> bool:
        return grid.discrete and grid.ndim == 1

    @property
    def corruption_params(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return () if self.ratio is None and self.severity is None else ("ratio",)

    def setup(self) -> None:
        """A grid of one discrete axis is needed."""
        check_text("drop", self.grid)

    def __call__(self, view: View, generator: torch.Generator) -> View:
        text = content(view, self.grid)
        number = text.index.expand(view.x.shape) if self.unit == "token" else word_numbers(text, self.separators)
        chosen, params = self._chosen(number, generator)
        goes = text.inside & (number >= 0) & chosen
        goes = goes & (text.inside & ~goes).any(1, keepdim=True)
        keep = ~goes & (text.index < text.length + text.closed.long())
        cells = text.cells.gather(1, front(keep))
        valid = text.index < keep.sum(1, keepdim=True)
        x = view.x.gather(1, cells).masked_fill(~valid, padding_symbol(self.grid))
        return moved(view, x, cells, valid)._replace(params={**view.params, **params})

    def _chosen(
        self, number: Int64[Tensor, "B N"], generator: torch.Generator
    ) -> tuple[Bool[Tensor, "B N"], dict[str, Tensor]]:
        """Which tokens or words go, by their numbers, and what was drawn for that."""
        batch, device = len(number), number.device
        if not self.corruption_params:
            phase = torch.randint(self.every, (batch, 1), generator=generator, device=device)
            return (number + phase) % self.every == 0, {}
        params = self.drawn(batch, generator)
        luck = torch.rand(number.shape, generator=generator, device=device).gather(1, number.clamp(min=0))
        return luck < params["ratio"].unsqueeze(1), params
