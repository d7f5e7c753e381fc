"""Which patches of a view an encoder sees, and where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from ssl_pipeline.models.layers import Patches, first_true, pick
from ssl_pipeline.structures.batch import View


class Visible(NamedTuple):
    """Patches that are not left out."""

    index: Tensor | None  # (B, K) of all patches; None: every one
    coords: Tensor  # (#B, K, n) on the view's own grid
    valid: Tensor | None  # (B, K) bool, False = padding or masked; None = all
    dense_shape: tuple[int, ...] | None  # grid of the patches, where none is left out and none is masked


def check_cell(patches: Patches | None, cell: Sequence[int] | None) -> None:
    """Refuse masks whose cells are not made of whole patches.

    Raises:
        ValueError: likewise.
    """
    if patches is not None and cell is not None and not patches.fits(cell):
        raise ValueError(
            f"the mask's cell {list(cell)} is not a multiple of the encoder's patch {list(patches.size)}: "
            f"set corruption.mask.cell={list(patches.size)}, or another patch of the encoder"
        )


def visible(patches: Patches, view: View, dense: bool = False) -> Visible:
    """The visible patches of a view.

    Args:
        patches: how views are cut.
        view: where as many patches are masked in every sample, those are left out.
        dense: keep all patches and mark the masked ones as not valid (static shapes: for export).

    Raises:
        ValueError: a mask, or a view, is not made of whole patches.
    """
    check_cell(patches, view.cell)
    index, coords, valid = None, patches.centres(view.coords), None
    if view.valid is not None:
        valid = patches.split(view.valid).any(-1)
    if view.mask is not None:
        present = patches.wholly(view.mask).logical_not()
        if view.visible is None or view.cell is None or dense:
            valid = present if valid is None else _or_else(valid & present, present)
        else:
            index = first_true(present, patches.count_in(view.visible, view.cell))
            coords = pick(coords.expand(index.shape[0], -1, -1), index)
            valid = None if valid is None else valid.gather(1, index)
    valid = None if valid is None else _or_else(valid, valid.new_ones(valid.shape))
    shape = patches.shape_of(view.coords.shape[1:-1]) if view.mask is None else None
    return Visible(index, coords, valid, shape)


def _or_else(valid: Tensor, others: Tensor) -> Tensor:
    """Valid tokens, or others where a sample has none (a short text, all hidden): a mean and a softmax need one."""
    return valid | (others & ~valid.any(1, keepdim=True))
