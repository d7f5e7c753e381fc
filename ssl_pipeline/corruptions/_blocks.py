"""Blocks of cells, all as large as each other: I-JEPA's, https://arxiv.org/abs/2301.08243."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod, sqrt
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

Cells = tuple[int, ...]

TRIES = 20
"""How often blocks that leave too little context are drawn again."""


def block_sides(cells: Cells, scale: float, aspect: float) -> Cells:
    """Sides of a block in cells: on two axes h = round(sqrt(area aspect)), w = round(sqrt(area / aspect)).

    The area is rounded down to whole cells, as in the official code. On other than square grids the aspect is relative
    to the grid's own. Axes before the last two are shared out alike, and an axis of one cell has nothing to choose.

    Args:
        cells: of the grid, along each axis.
        scale: share of the cells in the block, 0 to 1.
        aspect: its cells along the last axis but one to those along the last.

    >>> block_sides((14, 14), 0.2, 1.5), block_sides((32,), 0.2, 1.5)
    ((8, 5), (6,))
    """
    wide = [axis for axis, n in enumerate(cells) if n > 1]
    share = int(prod(cells) * scale) / prod(cells)
    stretch = dict.fromkeys(wide, 1.0)
    if len(wide) > 1:
        stretch |= {wide[-2]: sqrt(aspect), wide[-1]: 1 / sqrt(aspect)}
    sides = {axis: round(cells[axis] * share ** (1 / len(wide)) * stretch[axis]) for axis in wide}
    return tuple(min(max(sides.get(axis, 1), 1), n) for axis, n in enumerate(cells))


def drawn_numbers(intervals: Sequence[tuple[float, float]], generator: torch.Generator) -> list[float]:
    """A uniform number of each interval, on the processor."""
    luck = torch.rand(len(intervals), generator=generator).tolist()
    return [low + part * (high - low) for part, (low, high) in zip(luck, intervals, strict=True)]


class Layout(NamedTuple):
    """Where the blocks of a batch lie."""

    targets: Int64[Tensor, "B T n"]  # first cell of each target
    context: Int64[Tensor, "B 1 n"]  # first cell of the context block
    visible: int  # cells of the context that no target holds: the fewest in the batch


def drawn_layout(
    batch: int, count: int, sides: tuple[Cells, Cells], cells: Cells, least: int, generator: torch.Generator
) -> Layout:
    """Uniform places of the blocks, on the processor, since numbers of tokens follow from them.

    A sample that is left with too little context draws all its blocks again; one that has no luck puts its targets on
    one another.

    Args:
        batch: samples B.
        count: targets T of a sample.
        sides: of a target and of the context block.
        cells: of the grid, along each axis.
        least: cells of the context that no target may hold, at most those of the context less those of one target.
        generator: on the processor.
    """

    def draw() -> tuple[Tensor, Tensor]:
        return corners(batch, count, sides[0], cells, generator), corners(batch, 1, sides[1], cells, generator)

    targets, context = draw()
    visible = context_cells(targets, context, sides, cells).flatten(1).sum(1)
    for tries in range(TRIES + 1):
        if min(visible.tolist()) >= least:
            break
        short = (visible < least).view(-1, 1, 1)
        others, elsewhere = draw() if tries < TRIES else (targets[:, :1], context)
        targets, context = torch.where(short, others, targets), torch.where(short, elsewhere, context)
        visible = context_cells(targets, context, sides, cells).flatten(1).sum(1)
    return Layout(targets, context, min(visible.tolist()))


def corners(batch: int, count: int, sides: Cells, cells: Cells, generator: torch.Generator) -> Int64[Tensor, "B k n"]:
    """First cells of blocks that lie inside the grid, anywhere alike."""
    room = torch.tensor([n - k + 1 for n, k in zip(cells, sides, strict=True)])
    return (torch.rand(batch, count, len(cells), generator=generator) * room).long()


def inside(first: Int64[Tensor, "B k n"], sides: Cells, cells: Cells) -> Bool[Tensor, "B k *cells"]:
    """Cells inside each block."""
    found = torch.ones((), dtype=torch.bool, device=first.device)
    for axis, (n, side) in enumerate(zip(cells, sides, strict=True)):
        index, start = torch.arange(n, device=first.device), first[..., axis, None]
        along = (index >= start) & (index < start + side)
        found = found & along.view(*along.shape[:2], *(n if a == axis else 1 for a in range(len(cells))))
    return found


def context_cells(
    targets: Int64[Tensor, "B T n"], context: Int64[Tensor, "B 1 n"], sides: tuple[Cells, Cells], cells: Cells
) -> Bool[Tensor, "B *cells"]:
    """Cells of the context block that no target holds."""
    return inside(context, sides[1], cells).squeeze(1) & ~inside(targets, sides[0], cells).any(1)
