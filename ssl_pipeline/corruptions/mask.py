"""Mask: whole cells of the grid are hidden and filled."""

from __future__ import annotations

import math
from functools import partial
from math import prod
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._cell_mask import Cell, CellMask, Fill
from ssl_pipeline.corruptions._mask_shapes import Blobs, MaskShape, Rectangles, highest, shared_out
from ssl_pipeline.corruptions._tokens import replace_tokens
from ssl_pipeline.corruptions._validation import interval
from ssl_pipeline.corruptions.base import Range, at_severity, severity_or
from ssl_pipeline.structures.batch import View


@register("corruption", "mask")
class Mask(CellMask):
    """Hides whole cells, as in MAE, https://arxiv.org/abs/2111.06377, equally many in every sample.

    ``View.visible`` counts the *cells of size* ``cell`` that are left (padding included), equal for all samples.
    Where the view was masked already, ``mask`` is the union of both, ``visible`` None and ``cell`` None unless
    both masks share it. Padding takes part only to make the numbers equal: each sample loses the same share of the
    cells that are not all padding, so that a short text is neither spared nor wiped out. The end symbol of a text is
    not hidden, but where a cell holds other symbols, too.

    Args:
        ratio: fraction of the cells to hide, 0 <= ratio < 1; at least one cell stays. An interval is drawn from per
            sample: then ``View.visible`` is None, and an encoder computes the hidden cells, too. None: 0.5.
        cell: side of a cell in grid places, one or one per axis, where None is the whole axis: on a spectrogram
            ``[None, 4]`` hides spans of time; must divide the grid; None: ``default_patch``.
        shape: ``random`` scatters the cells, ``block`` hides connected blobs, ``rectangles`` a few rectangles (on
            one axis spans), cut off or topped up at random so that the mask has ``ratio`` of the cells. Those of
            I-JEPA, exact and each predicted whole, are ``MultiBlock``'s.
        blob: width of the blobs in cells, for ``block``.
        blocks: number of rectangles, for ``rectangles``, as the next two; they may overlap.
        scale: share of the cells in one rectangle, a number or an interval, drawn for each.
        aspect: its cells along the last axis to those along the one before it, relative to the grid's own; likewise.
        fill: what fills masked places of a continuous grid: the ``mean`` of the sample's visible places per channel,
            ``noise`` of their mean and standard deviation, or a number in data units. Discrete: ``grid.mask_token``.
        random_share: share of the masked tokens that hold a random one instead (0.1 in BERT,
            https://arxiv.org/abs/1810.04805); on discrete grids only, as the next one.
        keep_share: share of the masked tokens that keep their own (0.1 in BERT); they count as masked nevertheless.
        severity: 1 to 5, a number or an interval, in place of ``ratio``: 0.15 to 0.75.

    Raises:
        ValueError: an option outside its bounds; a discrete grid without a mask token; both ``ratio`` and ``severity``.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("y", 8), ("x", 8), channels=1)
    >>> view = Mask(ratio=0.75, cell=2).bind(grid)(clean_view(grid, torch.rand(3, 1, 8, 8)), torch.Generator())
    >>> view.visible, view.mask.sum((1, 2))
    (4, tensor([48, 48, 48]))
    """

    levels: ClassVar = {"ratio": (0.15, 0.3, 0.45, 0.6, 0.75)}

    def __init__(
        self,
        *,
        ratio: Range | None = None,
        cell: Cell = None,
        shape: Literal["random", "block", "rectangles"] = "random",
        blob: int = 3,
        blocks: int = 4,
        scale: Range = (0.15, 0.2),
        aspect: Range = (0.75, 1.5),
        fill: Fill = "mean",
        random_share: float = 0.0,
        keep_share: float = 0.0,
        severity: Range | None = None,
    ) -> None:
        self.severity = severity_or(severity, None, ratio=ratio)
        self.ratio = interval("ratio", 0.5 if ratio is None else ratio, -math.inf, math.inf)
        if self.ratio[0] < 0 or self.ratio[1] >= 1:
            raise ValueError(f"ratio must be at least 0 and below 1, got {ratio}: set the fraction of cells to remove")
        shapes: dict[str, MaskShape] = {
            "random": Blobs(1),
            "block": Blobs(blob),
            "rectangles": Rectangles(blocks, scale, aspect),
        }
        if shape not in shapes:
            raise ValueError(f"shape must be one of {', '.join(shapes)}, got {shape!r}: choose one of them")
        super().__init__(cell, fill)
        interval("random_share", random_share, 0.0, 1.0)
        interval("keep_share", keep_share, 0.0, 1.0 - random_share)
        self.shape = shapes[shape]
        self.random_share, self.keep_share = random_share, keep_share

    def setup(self) -> None:
        """How many cells there are, and how many of them are hidden."""
        super().setup()
        low, high = self.ratio
        if self.severity is not None:
            low, high = (at_severity(self.levels["ratio"], torch.tensor(one)).item() for one in self.severity)
        self.lowest = low
        self.hidden = min(round(low * prod(self.cells)), prod(self.cells) - 1) if low == high else None

    def __call__(self, view: View, generator: torch.Generator) -> View:
        visible = None if self.hidden is None else prod(self.cells) - self.hidden
        return self._hiding(view, self._chosen(view, generator), visible, generator)

    def _chosen(self, view: View, generator: torch.Generator) -> Bool[Tensor, "B *cells"]:
        real, end = view.valid, self.grid.end_token
        if end is not None:
            real = (view.x != end) if real is None else real & (view.x != end)
        batch, ratio, count = view.x.shape[0], self.lowest, self.hidden
        if count is None:
            ratio = self.drawn(batch, generator)["ratio"].unsqueeze(1)
            count = (ratio * prod(self.cells)).round().long().clamp(max=prod(self.cells) - 1)
        field_of = partial(self.shape, batch, self.cells)
        if real is None:
            return highest(field_of(None, generator), count)
        some = self._any(real)
        ends = None if end is None else ~some if view.valid is None else ~some & self._any(view.valid)
        return shared_out(field_of(some, generator), some, ratio, count, ends)

    def _symbols(self, x: Tensor, mask: Bool[Tensor, "B *grid"], generator: torch.Generator) -> Tensor:
        assert self.grid.mask_token is not None
        if self.random_share == self.keep_share == 0:
            return super()._symbols(x, mask, generator)
        luck = torch.rand(x.shape, generator=generator, device=x.device)
        wrong, own = luck < self.random_share, luck >= 1 - self.keep_share
        x = replace_tokens(x, mask & wrong, self.grid, generator)
        return x.masked_fill(mask & ~wrong & ~own, self.grid.mask_token)
