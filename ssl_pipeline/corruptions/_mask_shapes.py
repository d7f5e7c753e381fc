"""Shapes of masks: a field over the cells, of which a mask hides the highest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from ssl_pipeline.corruptions._resample import along
from ssl_pipeline.corruptions._validation import interval
from ssl_pipeline.corruptions._window import fractions, valid_extent
from ssl_pipeline.corruptions.base import Range, draw

Cells = tuple[int, ...]


def highest(field: Float[Tensor, "B *cells"], count: int | Int64[Tensor, "B 1"]) -> Bool[Tensor, "B *cells"]:
    """True at exactly ``count`` largest values of each sample."""
    flat = field.flatten(1)
    if isinstance(count, Tensor):
        return (flat.argsort(1, descending=True).argsort(1) < count).view(field.shape)
    chosen = torch.zeros_like(flat, dtype=torch.bool)
    return chosen.scatter_(1, flat.topk(count, sorted=False).indices, True).view(field.shape)


def shared_out(
    field: Float[Tensor, "B *cells"],
    real: Bool[Tensor, "B *cells"],
    ratio: float | Float[Tensor, "B 1"],
    count: int | Int64[Tensor, "B 1"],
    kept: Bool[Tensor, "B *cells"] | None = None,
) -> Bool[Tensor, "B *cells"]:
    """True at ``count`` largest values of each sample: a share ``ratio`` of its real cells, the others padding.

    At least one real cell is chosen and one left, where a sample has two. The field has no negative values.

    Args:
        field: the higher, the sooner a cell is chosen.
        real: False at padding.
        ratio: share of the real cells, one for all samples or each its own.
        count: cells to choose, likewise.
        kept: cells, not real ones, that are chosen only where there is nothing else, such as the end of a text.

    >>> real = torch.tensor([[True, True, True, True, False, False, False, False]])
    >>> chosen = shared_out(torch.rand(1, 8), real, 0.5, 4)
    >>> chosen[real].sum(), chosen.sum()
    (tensor(2), tensor(4))
    """
    cells = real.flatten(1).sum(1, keepdim=True)
    spare = real[0].numel() - cells - (0 if kept is None else kept.flatten(1).sum(1, keepdim=True))
    count = torch.as_tensor(count, device=cells.device)
    mine = torch.maximum((ratio * cells).round().long(), torch.maximum(count.clamp(max=1), count - spare))
    mine = torch.minimum(mine, (cells - 1).clamp(min=0))
    order = torch.where(real, field, -1 - field)
    order = order if kept is None else order.masked_fill(kept, float("-inf"))
    rank = order.flatten(1).argsort(1, descending=True).argsort(1)
    chosen = (rank < mine) | ((rank >= cells) & (rank < cells + count - mine))
    return chosen.view(field.shape)


def smooth(field: Float[Tensor, "B *cells"], width: int) -> Float[Tensor, "B *cells"]:
    """Moving sum over ``width`` cells along every axis, twice (once leaves ragged blobs).

    It wraps around, so that all cells stay alike; a border that is padded makes the cells next to it
    more extreme, hence masked more often at small ratios.
    """
    for dim in 2 * tuple(range(1, field.ndim)):
        shifts = range(min(width, field.shape[dim]))
        field = torch.stack([field.roll(shift, dim) for shift in shifts]).sum(0)
    return field


class MaskShape(ABC):
    """What a mask looks like."""

    @abstractmethod
    def __call__(
        self, batch: int, cells: Cells, real: Bool[Tensor, "B *cells"] | None, generator: torch.Generator
    ) -> Float[Tensor, "B *cells"]:
        """A field without negative values, the higher the sooner a cell is hidden; ``real`` is False at padding."""


@dataclass(frozen=True)
class Blobs(MaskShape):
    """Connected blobs about ``width`` cells wide, all cells alike; with a width of 1, scattered cells.

    Raises:
        ValueError: ``width`` below 1.
    """

    width: int = 1

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"blob must be at least 1 cell wide, got {self.width}: set a positive integer")

    def __call__(
        self, batch: int, cells: Cells, real: Bool[Tensor, "B *cells"] | None, generator: torch.Generator
    ) -> Float[Tensor, "B *cells"]:
        return smooth(torch.rand((batch, *cells), generator=generator, device=generator.device), self.width)


@dataclass(frozen=True)
class Rectangles(MaskShape):
    """A few rectangles that may overlap, much as I-JEPA's, https://arxiv.org/abs/2301.08243; on one axis spans.

    Those drawn first are hidden first: where they are more cells than a mask has, the last of them loses cells at
    random; where they are fewer, random cells outside join them. They lie inside the grid and clear of padding, so
    that cells in the middle are hidden more often.

    Args:
        blocks: number of rectangles.
        scale: share of the cells in one of them, a number or an interval, drawn for each.
        aspect: cells along the last axis to those along the one before it, relative to the grid's own; likewise.

    Raises:
        ValueError: an option outside its bounds.
    """

    blocks: int = 4
    scale: Range = (0.15, 0.2)
    aspect: Range = (0.75, 1.5)

    def __post_init__(self) -> None:
        if self.blocks < 1:
            raise ValueError(f"blocks must be at least 1, got {self.blocks}: set the number of rectangles")
        interval("scale", self.scale, 1e-6, 1.0)
        interval("aspect", self.aspect, 1e-3, 1e3)

    def __call__(
        self, batch: int, cells: Cells, real: Bool[Tensor, "B *cells"] | None, generator: torch.Generator
    ) -> Float[Tensor, "B *cells"]:
        inside = self.drawn(batch, cells, real, generator)
        first = torch.arange(self.blocks, 0, -1, device=inside.device).view(-1, *[1] * len(cells))
        luck = torch.rand((batch, *cells), generator=generator, device=inside.device)
        return (inside * first).amax(1) + luck

    def drawn(
        self, batch: int, cells: Cells, real: Bool[Tensor, "B *cells"] | None, generator: torch.Generator
    ) -> Bool[Tensor, "B k *cells"]:
        """Cells inside each rectangle."""
        total, inside = batch * self.blocks, torch.ones((), dtype=torch.bool, device=generator.device)
        aspect = interval("aspect", self.aspect, 1e-3, 1e3)
        real = inside.expand(batch, *cells) if real is None else real
        wide = [n > 1 for n in cells]  # an axis of one cell has nothing to choose
        parts = iter(fractions(self.scale, aspect, max(sum(wide), 1), total, generator))
        for axis, n in enumerate(cells):
            first, room = (k.repeat_interleave(self.blocks) for k in valid_extent(real, axis))
            side = (next(parts) * room).round().clamp(min=1) if wide[axis] else torch.ones_like(room)
            start = (first + (draw((0.0, 1.0), total, generator) * (room - side + 1)).floor()).unsqueeze(1)
            index = torch.arange(n, device=inside.device)
            inside = inside & along((index >= start) & (index < start + side.unsqueeze(1)), axis, len(cells))
        return inside.unflatten(0, (batch, self.blocks))
