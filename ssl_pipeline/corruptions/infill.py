"""Infill: spans of a text shrink to one mask token each."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Int64
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._tokens import Content, check_text, content, front, moved, padding_symbol
from ssl_pipeline.corruptions._validation import interval
from ssl_pipeline.corruptions.base import Corruption, Range, severity_or
from ssl_pipeline.structures.batch import View


@register("corruption", "infill")
class Infill(Corruption):
    """Text infilling as in BART, https://arxiv.org/abs/1910.13461, and T5, https://arxiv.org/abs/1910.10683.

    The rest moves together and the end is padded: how much is missing has to be found out. There is no ``mask``,
    since the view's cells are not the sample's; ``source_coords`` moves along, that of a mask token is the middle of
    its span. An end symbol stays.

    Args:
        ratio: fraction of each text's tokens that go, 0 <= ratio < 1, a number or an interval drawn from per sample;
            None where ``severity`` is not given: 0.3.
        span: mean length of a span in tokens.
        empty: lengths are Poisson(span), as BART draws them: of 3 tokens every twentieth span is empty, a mask token
            where nothing is missing (left out where the grid has no room for it). False: 1 + Poisson(span - 1).
        severity: 1 to 5, likewise, in place of ``ratio``: 0.1, 0.2, 0.3, 0.4 and 0.6.

    Raises:
        ValueError: an option outside its bounds; both ``ratio`` and ``severity``; no text; a grid without a mask token.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("position", 6), vocab=10, mask_token=9)
    >>> view = clean_view(grid, torch.tensor([[1, 2, 3, 4, 5, 6]]))
    >>> view = Infill(ratio=0.5).bind(grid)(view, torch.Generator())
    >>> (view.valid & (view.x != 9)).sum().item()  # half of the tokens are left
    3
    """

    levels: ClassVar = {"ratio": (0.1, 0.2, 0.3, 0.4, 0.6)}

    def __init__(
        self, *, ratio: Range | None = None, span: float = 3.0, empty: bool = True, severity: Range | None = None
    ) -> None:
        self.severity = severity_or(severity, None, ratio=ratio)
        self.ratio = interval("ratio", 0.3 if ratio is None else ratio, 0.0, 1.0)
        if self.ratio[1] == 1:
            raise ValueError(f"ratio must be at least 0 and below 1, got {ratio}: set the fraction of tokens that go")
        if span < 1:
            raise ValueError(f"span must be at least 1 token, got {span}: set the mean length of a span")
        self.span, self.empty = span, empty

    @property
    def corruption_params(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        fixed = self.severity is None and self.ratio[0] == self.ratio[1]  # a decoder need not be told of it
        return () if fixed else ("ratio",)

    def setup(self) -> None:
        """A grid of one discrete axis with a mask token is needed."""
        check_text("infill", self.grid)
        if self.grid.mask_token is None:
            raise ValueError("infill needs a symbol for spans, got a grid without one: set the grid's mask_token")

    def __call__(self, view: View, generator: torch.Generator) -> View:
        text, shape = content(view, self.grid), view.x.shape
        params = self.drawn(len(view.x), generator) if self.corruption_params else {}
        lengths, spans = self._spans(text, params["ratio"].unsqueeze(1) if params else self.ratio[0], generator)
        left = text.length - lengths.sum(1, keepdim=True) + spans  # symbols of the view, an end symbol aside

        # Any symbols of the view may be the spans; they are chosen first, and each is given a length.
        luck = torch.rand(shape, generator=generator, device=view.x.device)
        rank = luck.masked_fill(text.index >= left, 2.0).argsort(1).argsort(1)
        starts = rank < spans
        length = torch.where(starts, lengths.gather(1, rank), 1)

        first = (length.cumsum(1) - length).clamp(max=shape[1] - 1)
        cells = text.cells.gather(1, first)
        valid = text.index < left + text.closed.long()
        x = view.x.gather(1, cells).masked_fill(starts, self.grid.mask_token or 0)
        x = x.masked_fill(~valid, padding_symbol(self.grid))
        view = moved(view, x, cells, valid, cells + (length - 1) / 2)
        return view._replace(params={**view.params, **params})

    def _spans(
        self, text: Content, ratio: float | Tensor, generator: torch.Generator
    ) -> tuple[Int64[Tensor, "B N"], Int64[Tensor, "B 1"]]:
        """Lengths of each text's spans, zeros behind them, and how many spans these are."""
        gone = (ratio * text.length).round().long()
        least = 0 if self.empty else 1
        mean = torch.full(text.x.shape, float(self.span) - least, device=text.x.device)
        lengths = torch.poisson(mean, generator).long() + least
        lengths[:, -1:] = gone  # so that they are enough
        before = lengths.cumsum(1) - lengths
        lengths = torch.minimum(lengths, (gone - before).clamp(min=0))  # the last one is cut
        full = lengths > 0
        room = text.x.shape[1] - text.closed.long() - text.length + (lengths - full.long()).sum(1, keepdim=True)
        empty = ~full & (before < gone)
        kept = full | (empty & (empty.cumsum(1) <= room))
        return lengths.gather(1, front(kept)), kept.sum(1, keepdim=True)
