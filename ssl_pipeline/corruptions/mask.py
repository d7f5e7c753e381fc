"""Mask: whole cells of the grid are hidden and filled."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import prod
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._mask_shapes import Blobs, MaskShape, Rectangles, highest, shared_out
from ssl_pipeline.corruptions._snr import visible_mean
from ssl_pipeline.corruptions._tokens import replace_tokens
from ssl_pipeline.corruptions._validation import divisor, interval
from ssl_pipeline.corruptions.base import Corruption, Range, at_severity, severity_or
from ssl_pipeline.structures.batch import View
from ssl_pipeline.structures.grid import default_patch


def enlarge(cells: Bool[Tensor, "B *cells"], side: tuple[int, ...]) -> Bool[Tensor, "B *grid"]:
    """Each cell becomes a block of ``side`` grid places."""
    for dim, k in enumerate(side, start=1):
        cells = cells.repeat_interleave(k, dim)
    return cells


@register("corruption", "mask")
class Mask(Corruption):
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
            one axis spans) as in I-JEPA, https://arxiv.org/abs/2301.08243, cut off or topped up at random so that the
            mask has ``ratio`` of the cells.
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

    masks = True
    levels: ClassVar = {"ratio": (0.15, 0.3, 0.45, 0.6, 0.75)}

    def __init__(
        self,
        *,
        ratio: Range | None = None,
        cell: int | tuple[int | None, ...] | list[int | None] | None = None,
        shape: Literal["random", "block", "rectangles"] = "random",
        blob: int = 3,
        blocks: int = 4,
        scale: Range = (0.15, 0.2),
        aspect: Range = (0.75, 1.5),
        fill: Literal["mean", "noise"] | float = "mean",
        random_share: float = 0.0,
        keep_share: float = 0.0,
        severity: Range | None = None,
    ) -> None:
        self.severity = severity_or(severity, None, ratio=ratio)
        self.ratio = interval("ratio", 0.5 if ratio is None else ratio, 0.0, 1.0)
        if self.ratio[1] == 1:
            raise ValueError(f"ratio must be at least 0 and below 1, got {ratio}: set the fraction of cells to remove")
        shapes: dict[str, MaskShape] = {
            "random": Blobs(1),
            "block": Blobs(blob),
            "rectangles": Rectangles(blocks, scale, aspect),
        }
        if shape not in shapes:
            raise ValueError(f"shape must be one of {', '.join(shapes)}, got {shape!r}: choose one of them")
        if isinstance(fill, str) and fill not in ("mean", "noise"):
            raise ValueError(f"fill must be mean, noise or a number, got {fill!r}: choose one of them")
        interval("random_share", random_share, 0.0, 1.0)
        interval("keep_share", keep_share, 0.0, 1.0 - random_share)
        self.side, self.shape = cell, shapes[shape]
        self.fill = fill
        self.random_share, self.keep_share = random_share, keep_share

    def setup(self) -> None:
        """How many cells there are, and how many of them are hidden."""
        grid = self.grid
        if grid.discrete and grid.mask_token is None:
            raise ValueError(
                "mask needs a symbol for masked places, got a discrete grid without one: set the grid's mask_token"
            )
        self.cell = divisor("cell", self._sides(self.side), grid)
        self.cells = tuple(n // k for n, k in zip(grid.shape, self.cell, strict=True))
        low, high = self.ratio
        if self.severity is not None:
            low, high = (at_severity(self.levels["ratio"], torch.tensor(one)).item() for one in self.severity)
        self.lowest = low
        self.hidden = min(round(low * prod(self.cells)), prod(self.cells) - 1) if low == high else None

    def _sides(self, cell: int | Sequence[int | None] | None) -> int | tuple[int, ...]:
        if cell is None:
            return default_patch(self.grid)
        if not isinstance(cell, Sequence) or len(cell) != self.grid.ndim:
            return cell  # pyright: ignore[reportReturnType] # a wrong number is refused with a sentence
        return tuple(axis.size if k is None else k for k, axis in zip(cell, self.grid.axes, strict=True))

    def __call__(self, view: View, generator: torch.Generator) -> View:
        mask = enlarge(self._chosen(view, generator), self.cell)
        if view.mask is None:
            visible = None if self.hidden is None else prod(self.cells) - self.hidden
            cell, unmasked = self.cell, view.x
        else:
            mask, cell, visible = mask | view.mask, self.cell if view.cell == self.cell else None, None
            unmasked = view.unmasked
        x = self._filled(view, mask, generator)
        return view._replace(x=x, mask=mask, cell=cell, visible=visible, unmasked=unmasked)

    def with_mask(self, view: View, mask: Tensor) -> View:
        """Filled with the mask's symbol, the number, or the mean of what is visible.

        ``cell`` and ``visible`` stay unknown, since samples may have masks of different sizes.
        """
        whole = enlarge(self._any(mask), self.cell)
        if self.grid.mask_token is not None:
            return view._replace(x=view.x.masked_fill(whole, self.grid.mask_token), mask=whole)
        if not isinstance(self.fill, str):
            return view._replace(x=view.x.masked_fill(whole.unsqueeze(1), self.fill), mask=whole)
        visible = ~whole if view.valid is None else view.valid & ~whole
        return view._replace(x=torch.where(whole.unsqueeze(1), visible_mean(view.x, visible), view.x), mask=whole)

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

    def _any(self, places: Bool[Tensor, "B *grid"]) -> Bool[Tensor, "B *cells"]:
        """Whether a cell holds some of the places."""
        for dim, k in enumerate(self.cell, start=1):
            places = places.unflatten(dim, (-1, k)).any(dim + 1)
        return places

    def _filled(self, view: View, mask: Bool[Tensor, "B *grid"], generator: torch.Generator) -> Tensor:
        x = view.x
        if self.grid.mask_token is not None:
            return self._tokens(x, mask, generator)
        if not isinstance(self.fill, str):
            return x.masked_fill(mask.unsqueeze(1), self.fill)
        visible = ~mask if view.valid is None else view.valid & ~mask
        filling = visible_mean(x, visible)
        if self.fill == "noise":
            std = visible_mean((x - filling).square(), visible).sqrt()
            filling = filling + std * torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
        return torch.where(mask.unsqueeze(1), filling, x)

    def _tokens(self, x: Tensor, mask: Bool[Tensor, "B *grid"], generator: torch.Generator) -> Tensor:
        assert self.grid.mask_token is not None
        if self.random_share == self.keep_share == 0:
            return x.masked_fill(mask, self.grid.mask_token)
        luck = torch.rand(x.shape, generator=generator, device=x.device)
        wrong, own = luck < self.random_share, luck >= 1 - self.keep_share
        x = replace_tokens(x, mask & wrong, self.grid, generator)
        return x.masked_fill(mask & ~wrong & ~own, self.grid.mask_token)
