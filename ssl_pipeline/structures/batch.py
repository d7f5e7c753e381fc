"""Batched records that flow through the pipeline.

Letters in shapes: B batch, C channels, N tokens, K visible ones or slots, D width, T targets, n axes, ``*grid`` the
grid's shape.
``#B`` is B, or 1 where all samples share the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from jaxtyping import Shaped
from torch import Tensor

from ssl_pipeline.structures.grid import GridSpec


class Column(NamedTuple):
    """Something else that belongs to each sample of a batch: a text, an action, what came next."""

    x: Tensor  # like Batch.x on the column's own grid; (B, steps, ...) where a sample has several in a row
    valid: Tensor | None = None  # False = padding

    def of(self, rows: Callable[[Tensor], Tensor]) -> Column:
        """Each part changed."""
        return Column(rows(self.x), None if self.valid is None else rows(self.valid))


class Batch(NamedTuple):
    """Clean samples as the loader delivers them. Labels are for probes only; no loss sees them."""

    x: Tensor  # (B, C, *grid) float in the grid's range or uint8; (B, *grid) int64 on a discrete grid
    source: Tensor  # (B,) int64: the image, recording, author or document that the sample comes from
    label: Tensor | None = None  # (B,) int64
    valid: Tensor | None = None  # (B, *grid) bool, False = padding
    columns: Mapping[str, Column] = {}  # what else the data set tells of each sample

    def on(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        return self._each(lambda part: part.to(device))

    def first(self, count: int) -> Batch:
        """Its first samples."""
        return self._each(lambda part: part[:count])

    def split(self, parts: int) -> list[Batch]:
        """Parts of equal size, in order."""
        size = len(self.x) // parts
        return [self._each(lambda part, i=i: part[i * size : (i + 1) * size]) for i in range(parts)]

    def clone(self) -> Batch:
        """The same samples in memory of their own."""
        return self._each(Tensor.clone)

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        parts = {name: change(part) for name, part in self._asdict().items() if isinstance(part, Tensor)}
        return self._replace(**parts, columns={name: column.of(change) for name, column in self.columns.items()})


class View(NamedTuple):
    """One corrupted form of a batch."""

    x: Tensor  # like Batch.x, float where continuous; masked places are filled
    coords: Tensor  # (#B, *grid, n): cells on the view's own grid, all that an encoder may see
    source_coords: Tensor  # (#B, *grid, n): where the cells lie in the clean sample, for decoder queries only
    mask: Tensor | None = None  # (B, *grid) bool, True = hidden
    cell: tuple[int, ...] | None = None  # the mask is made of whole cells of this size
    visible: int | None = None  # number of visible cells of that size, where all samples have as many
    target: Tensor | None = None  # (B, T, *grid) bool: the masked places to be predicted, T blocks; None: all of them
    target_cells: int | None = None  # number of cells of that size in each block
    unmasked: Tensor | None = None  # x before it was masked; None: it was not, or x has changed since
    valid: Tensor | None = None  # (B, *grid) bool, False = padding
    params: Mapping[str, Tensor] = {}  # (B,) float each: what a map from the latent back to this view needs

    def first(self, count: int) -> View:
        """Its first samples."""
        rows = {name: part[:count] for name, part in self._asdict().items() if isinstance(part, Tensor)}
        return self._replace(**rows, params={name: some[:count] for name, some in self.params.items()})

    def rows(self, which: Tensor) -> View:
        """Some of its samples, (n,) their numbers; what all samples share stays as it is."""
        parts = {name: part for name, part in self._asdict().items() if isinstance(part, Tensor)}
        shared = {name for name in ("coords", "source_coords") if len(parts[name]) == 1}
        rows = {name: part.index_select(0, which) for name, part in parts.items() if name not in shared}
        return self._replace(**rows, params={name: some[which] for name, some in self.params.items()})


class Latent(NamedTuple):
    """Samples in the common latent space."""

    tokens: Tensor  # (B, N, D)
    pooled: Tensor  # (B, D)
    coords: Tensor | None = None  # (#B, N, n) on the view's own grid; None for slots
    valid: Tensor | None = None  # (B, N) bool, False = padding or masked
    dense_shape: tuple[int, ...] | None = None  # grid of the tokens, where all of them are present
    finer: tuple[Tensor, ...] = ()  # (B, C, *cells) maps of the levels above the tokens, the view itself first

    @property
    def as_map(self) -> Tensor:
        """The tokens of a latent that covers a grid, (B, D, *dense_shape)."""
        return self.tokens.transpose(1, 2).unflatten(2, self.dense_shape or ())


def as_float(x: Shaped[Tensor, "B ..."], grid: GridSpec) -> Shaped[Tensor, "B ..."]:
    """Samples as the engine takes them: uint8 0..255 spread over the grid's range, floats and symbols as they are.

    >>> grid = GridSpec.of(("y", 1), ("x", 2), channels=1, range=(-1.0, 1.0))
    >>> as_float(torch.tensor([[[[0, 255]]]], dtype=torch.uint8), grid).tolist()
    [[[[-1.0, 1.0]]]]
    """
    if grid.discrete:
        return x
    if x.dtype != torch.uint8:
        return x.float()
    low, high = grid.range
    return x.float().mul_((high - low) / 255).add_(low)


def stored(x: Shaped[Tensor, "B ..."], grid: GridSpec) -> Shaped[Tensor, "B ..."]:
    """What a file holds of samples: clipped to the grid's range and rounded to the steps of its ``storage``.

    >>> grid = GridSpec.of(("x", 3), channels=1, storage=255)
    >>> stored(torch.tensor([[[-0.2, 0.5, 1.7]]]), grid) * 255
    tensor([[[  0., 128., 255.]]])
    """
    if grid.storage is None:
        return x
    low, high = grid.range
    step = (high - low) / grid.storage
    return ((x - low) * (1 / step)).round_().clamp_(0, grid.storage).mul_(step).add_(low)


def clean_view(grid: GridSpec, x: Tensor, valid: Tensor | None = None) -> View:
    """The undamaged view of ``x``: where every corruption starts. It may be larger or smaller than the grid."""
    where = grid.coordinates(x.device, tuple(x.shape[-grid.ndim :]))
    return View(x=x, coords=where, source_coords=where, valid=valid)


def unmasked_view(view: View) -> View:
    """The view before it was masked. A view without a mask is returned as it is.

    Raises:
        ValueError: the values under the mask are not known any more.

    >>> grid = GridSpec.of(("x", 2), channels=1)
    >>> mask = torch.tensor([[True, False]])
    >>> view = clean_view(grid, torch.zeros(1, 1, 2))._replace(mask=mask, unmasked=torch.ones(1, 1, 2))
    >>> unmasked_view(view).x, unmasked_view(view).mask
    (tensor([[[1., 1.]]]), None)
    """
    if view.mask is None:
        return view
    if view.unmasked is None:
        raise ValueError("expected a view that was masked last, got one that was changed after its mask: mask it last")
    without = view._replace(mask=None, cell=None, visible=None, target=None, target_cells=None, unmasked=None)
    return without._replace(x=view.unmasked)


def family(view: str) -> str:
    """Name of the corruption behind a numbered view.

    >>> family("crop_2"), family("lowres-noise")
    ('crop', 'lowres-noise')
    """
    return re.sub(r"_\d+$", "", view)
