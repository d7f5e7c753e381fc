"""Mask: whole cells of the grid are cut out and the holes filled."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ssl_pipeline.corruptions._options import divisor, interval
from ssl_pipeline.corruptions._power import visible_mean
from ssl_pipeline.corruptions._tokens import replace_tokens
from ssl_pipeline.corruptions.base import Corruption
from ssl_pipeline.grid import GridSpec, default_patch
from ssl_pipeline.records import View

Shape = Literal["random", "block"]


def smooth(field: Float[Tensor, "B *cells"], width: int) -> Float[Tensor, "B *cells"]:
    """Moving sum over ``width`` cells along every axis, twice (once leaves ragged blobs).

    It wraps around, so that all cells stay alike; a border that is padded makes the cells next to it
    more extreme, hence masked more often at small ratios.
    """
    for dim in 2 * tuple(range(1, field.ndim)):
        shifts = range(min(width, field.shape[dim]))
        field = torch.stack([field.roll(shift, dim) for shift in shifts]).sum(0)
    return field


def highest(field: Float[Tensor, "B *cells"], count: int) -> Bool[Tensor, "B *cells"]:
    """True at exactly ``count`` largest values of each sample."""
    flat = field.flatten(1)
    chosen = torch.zeros_like(flat, dtype=torch.bool)
    return chosen.scatter_(1, flat.topk(count, sorted=False).indices, True).view(field.shape)


def enlarge(cells: Bool[Tensor, "B *cells"], side: tuple[int, ...]) -> Bool[Tensor, "B *grid"]:
    """Each cell becomes a block of ``side`` grid places."""
    for dim, k in enumerate(side, start=1):
        cells = cells.repeat_interleave(k, dim)
    return cells


def shared_out(
    field: Float[Tensor, "B *cells"], real: Bool[Tensor, "B *cells"], ratio: float, count: int
) -> Bool[Tensor, "B *cells"]:
    """True at ``count`` largest values of each sample: a share ``ratio`` of its real cells, the others padding.

    At least one real cell is chosen and one left, where a sample has two.

    >>> real = torch.tensor([[True, True, True, True, False, False, False, False]])
    >>> chosen = shared_out(torch.rand(1, 8), real, 0.5, 4)
    >>> chosen[real].sum(), chosen.sum()
    (tensor(2), tensor(4))
    """
    cells = real.flatten(1).sum(1, keepdim=True)
    mine = (ratio * cells).round().long().clamp(min=min(count, 1))
    mine = torch.minimum(mine, (cells - 1).clamp(min=0))
    rank = torch.where(real, field, -1 - field).flatten(1).argsort(1, descending=True).argsort(1)
    chosen = (rank < mine) | ((rank >= cells) & (rank < cells + count - mine))
    return chosen.view(field.shape)


class Mask(Corruption):
    """Random or blob-shaped holes made of whole cells, as in MAE, https://arxiv.org/abs/2111.06377.

    ``View.visible`` counts the *cells of size* ``cell`` that are left (padding included), equal for all samples.
    Where the view had a hole already, ``removed`` is the union of both, ``visible`` None and ``cell`` None unless
    both holes share it. Padding takes part only to make the numbers equal: each sample loses the same share of the
    cells that are not all padding, so that a short text is neither spared nor wiped out.

    Args:
        grid: grid of the views.
        ratio: fraction of the cells to remove, 0 <= ratio < 1; at least one cell stays.
        cell: side of a cell in grid places, one or one per axis, where None is the whole axis: on a spectrogram
            ``[None, 4]`` hides spans of time; must divide the grid; None: ``default_patch``.
        shape: ``random`` scatters the cells, ``block`` removes connected blobs.
        blob: width of the blobs in cells, for ``block``.
        fill: what stands in the holes of a continuous grid: the ``mean`` of the sample's visible places per channel,
            ``noise`` of their mean and standard deviation, or a number in data units. Discrete: ``grid.mask_token``.
        random_share: share of the hole's tokens that hold a random one instead (0.1 in BERT,
            https://arxiv.org/abs/1810.04805); on discrete grids only, as the next one.
        keep_share: share of the hole's tokens that hold their own (0.1 in BERT); they count as removed nevertheless.

    Raises:
        ValueError: an option outside its bounds; a discrete grid without a mask token.

    >>> from ssl_pipeline.records import clean_view
    >>> grid = GridSpec.of(("y", 8), ("x", 8), channels=1)
    >>> view = Mask(grid=grid, ratio=0.75, cell=2)(clean_view(grid, torch.rand(3, 1, 8, 8)), torch.Generator())
    >>> view.visible, view.removed.sum((1, 2))
    (4, tensor([48, 48, 48]))
    """

    removes = True

    def __init__(
        self,
        *,
        grid: GridSpec,
        ratio: float = 0.5,
        cell: int | tuple[int | None, ...] | list[int | None] | None = None,
        shape: Shape = "random",
        blob: int = 3,
        fill: Literal["mean", "noise"] | float = "mean",
        random_share: float = 0.0,
        keep_share: float = 0.0,
    ) -> None:
        super().__init__(grid)
        if not 0 <= ratio < 1:
            raise ValueError(f"ratio must be at least 0 and below 1, got {ratio}: set the fraction of cells to remove")
        if shape not in get_args(Shape):
            raise ValueError(f"shape must be one of {', '.join(get_args(Shape))}, got {shape!r}: choose one of them")
        if blob < 1:
            raise ValueError(f"blob must be at least 1 cell wide, got {blob}: set a positive integer")
        if isinstance(fill, str) and fill not in ("mean", "noise"):
            raise ValueError(f"fill must be mean, noise or a number, got {fill!r}: choose one of them")
        if grid.discrete and grid.mask_token is None:
            raise ValueError(
                "mask needs a symbol for holes, got a discrete grid without one: set the grid's mask_token"
            )
        interval("random_share", random_share, 0.0, 1.0)
        interval("keep_share", keep_share, 0.0, 1.0 - random_share)
        self.cell = divisor("cell", self._sides(cell), grid)
        self.cells = tuple(n // k for n, k in zip(grid.shape, self.cell, strict=True))
        self.hidden = min(round(ratio * prod(self.cells)), prod(self.cells) - 1)
        self.width = blob if shape == "block" else 1
        self.ratio, self.fill = ratio, fill
        self.random_share, self.keep_share = random_share, keep_share

    def _sides(self, cell: int | Sequence[int | None] | None) -> int | tuple[int, ...]:
        if cell is None:
            return default_patch(self.grid)
        if not isinstance(cell, Sequence) or len(cell) != self.grid.ndim:
            return cell  # pyright: ignore[reportReturnType] # a wrong number is refused with a sentence
        return tuple(axis.size if k is None else k for k, axis in zip(cell, self.grid.axes, strict=True))

    def __call__(self, view: View, generator: torch.Generator) -> View:
        x = view.x
        field = torch.rand((x.shape[0], *self.cells), generator=generator, device=x.device)
        removed = enlarge(self._chosen(smooth(field, self.width), view.valid), self.cell)
        if view.removed is None:
            cell, visible = self.cell, prod(self.cells) - self.hidden
        else:
            removed, cell, visible = removed | view.removed, self.cell if view.cell == self.cell else None, None
        return view._replace(x=self._filled(view, removed, generator), removed=removed, cell=cell, visible=visible)

    def _chosen(
        self, field: Float[Tensor, "B *cells"], valid: Bool[Tensor, "B *grid"] | None
    ) -> Bool[Tensor, "B *cells"]:
        if valid is None:
            return highest(field, self.hidden)
        for dim, k in enumerate(self.cell, start=1):
            valid = valid.unflatten(dim, (-1, k)).any(dim + 1)
        return shared_out(field, valid, self.ratio, self.hidden)

    def _filled(self, view: View, removed: Bool[Tensor, "B *grid"], generator: torch.Generator) -> Tensor:
        x = view.x
        if self.grid.mask_token is not None:
            return self._tokens(x, removed, generator)
        if not isinstance(self.fill, str):
            return x.masked_fill(removed.unsqueeze(1), self.fill)
        visible = ~removed if view.valid is None else view.valid & ~removed
        filling = visible_mean(x, visible)
        if self.fill == "noise":
            std = visible_mean((x - filling).square(), visible).sqrt()
            filling = filling + std * torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
        return torch.where(removed.unsqueeze(1), filling, x)

    def _tokens(self, x: Tensor, removed: Bool[Tensor, "B *grid"], generator: torch.Generator) -> Tensor:
        assert self.grid.mask_token is not None
        if self.random_share == self.keep_share == 0:
            return x.masked_fill(removed, self.grid.mask_token)
        luck = torch.rand(x.shape, generator=generator, device=x.device)
        wrong, own = luck < self.random_share, luck >= 1 - self.keep_share
        x = replace_tokens(x, removed & wrong, self.grid, generator)
        return x.masked_fill(removed & ~wrong & ~own, self.grid.mask_token)
