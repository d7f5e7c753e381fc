"""Multi-block masks: a context, and blocks elsewhere that are to be predicted."""

from __future__ import annotations

from copy import copy
from math import ceil, prod

import torch

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._blocks import Cells, block_sides, context_cells, drawn_layout, drawn_numbers, inside
from ssl_pipeline.corruptions._cell_mask import Cell, CellMask, Fill, enlarge
from ssl_pipeline.corruptions._validation import interval
from ssl_pipeline.corruptions.base import Range
from ssl_pipeline.structures.batch import View
from ssl_pipeline.structures.random import on_processor


@register("corruption", "multiblock")
class MultiBlock(CellMask):
    """The masks of I-JEPA, https://arxiv.org/abs/2301.08243: a large block is seen but for a few that are predicted.

    Target blocks, which may overlap, and one context block are drawn. Seen is the context without the targets,
    ``View.target`` names the cells of each target, and what lies in neither is hidden and predicted by nobody. The
    sizes are drawn once a step and are exact, the places for each sample. Of the context every sample keeps as many
    cells as the sample with the fewest of its batch: the first ones, row by row, as in the official code.

    Unlike that code, scale and aspect are two draws and not one, blocks reach the last row and column, a context may
    be the whole grid, and no context overlaps a target: a sample with less than ``min_keep`` cells of context draws
    its blocks again, and at last puts its targets on one another. On one axis blocks are spans. Padding is not avoided:
    what of a target lies in it does not count.

    Args:
        targets: number T of target blocks.
        scale: share of the cells in a target, a number or an interval.
        aspect: its cells along the last axis but one to those along the last (height to width), relative to the
            grid's own; likewise.
        context: share of the cells in the context block, of the grid's own aspect; likewise.
        min_keep: cells of the context at least.
        cell: side of a cell in grid places, as in ``Mask``; the encoder's patch, or a multiple of it.
        fill: what fills masked places, as in ``Mask``.

    Raises:
        ValueError: an option outside its bounds; a grid of too few cells; a discrete grid without a mask token.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("y", 28), ("x", 28), channels=1)
    >>> view = MultiBlock(cell=2).bind(grid)(clean_view(grid, torch.rand(3, 1, 28, 28)), torch.Generator())
    >>> view.target.shape, (view.target & ~view.mask.unsqueeze(1)).any()
    (torch.Size([3, 4, 28, 28]), tensor(False))
    """

    sizes: tuple[Cells, Cells] | None = None  # of a target and of the context, where they are drawn for a step

    def __init__(
        self,
        *,
        targets: int = 4,
        scale: Range = (0.15, 0.2),
        aspect: Range = (0.75, 1.5),
        context: Range = (0.85, 1.0),
        min_keep: int = 10,
        cell: Cell = None,
        fill: Fill = "mean",
    ) -> None:
        super().__init__(cell, fill)
        for name, value in (("targets", targets), ("min_keep", min_keep)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}: set a positive integer")
        self.targets, self.min_keep = targets, min_keep
        self.scale, self.context = interval("scale", scale, 1e-6, 1.0), interval("context", context, 1e-6, 1.0)
        self.aspect = interval("aspect", aspect, 1e-3, 1e3)

    def setup(self) -> None:
        """Whether there are cells enough: for one in each target, and for a context beside the largest target."""
        super().setup()
        total = prod(self.cells)
        smaller = "make cells smaller (cell, and the encoder's patch)"
        if total * self.scale[0] < 1:
            raise ValueError(
                f"multiblock needs at least {ceil(1 / self.scale[0])} cells, so that one is in each target of scale "
                f"{self.scale[0]}, got {self.cells}: {smaller}, or raise scale"
            )
        context = prod(block_sides(self.cells, self.context[0], 1.0))
        tallest, widest = (block_sides(self.cells, self.scale[1], aspect) for aspect in self.aspect[::-1])
        target = prod(map(max, tallest, widest))
        if context - target < self.min_keep:
            raise ValueError(
                f"multiblock needs {self.min_keep} cells of context beside a target of up to {target}, got a context "
                f"of {context} of {self.cells} cells: {smaller}, or lower min_keep or scale"
            )

    def for_step(self, generator: torch.Generator) -> MultiBlock:
        """With the sizes of a step."""
        drawn = copy(self)
        drawn.sizes = self._drawn_sizes(generator)
        return drawn

    def _drawn_sizes(self, generator: torch.Generator) -> tuple[Cells, Cells]:
        scale, aspect, context = drawn_numbers((self.scale, self.aspect, self.context), generator)
        return block_sides(self.cells, scale, aspect), block_sides(self.cells, context, 1.0)

    def __call__(self, view: View, generator: torch.Generator) -> View:
        here, device, cells = on_processor(generator), view.x.device, self.cells
        sides = self._drawn_sizes(here) if self.sizes is None else self.sizes
        layout = drawn_layout(view.x.shape[0], self.targets, sides, cells, self.min_keep, here)
        targets, context = layout.targets.to(device), layout.context.to(device)
        seen = context_cells(targets, context, sides, cells)
        seen = seen & (seen.flatten(1).cumsum(1).view(seen.shape) <= layout.visible)
        blocks = enlarge(inside(targets, sides[0], cells).flatten(0, 1), self.cell).unflatten(0, (-1, self.targets))
        hidden = self._hiding(view, ~seen, layout.visible, generator)
        return hidden._replace(target=blocks, target_cells=prod(sides[0]))
