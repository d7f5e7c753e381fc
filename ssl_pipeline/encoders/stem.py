"""From the cells of a view to tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ssl_pipeline.grid import GridSpec
from ssl_pipeline.layers import Patches, first_true, pick, sincos
from ssl_pipeline.records import View


class Tokens(NamedTuple):
    """Embedded patches of a view."""

    values: Tensor  # (B, K, D)
    position: Tensor  # (#B, K, n) on the view's own grid
    valid: Tensor | None  # (B, K) bool, None = all
    dense_shape: tuple[int, ...] | None  # grid of the tokens, where none is left out


class PatchStem(nn.Module):
    """Embeds patches and their coordinates; leaves out those in a hole before anything is computed.

    Args:
        grid: grid of the views.
        patch: side of a patch in cells; None for ``default_patch``.
        width: width D of the tokens.
    """

    unit: Tensor

    def __init__(self, grid: GridSpec, patch: int | Sequence[int] | None, width: int) -> None:
        super().__init__()
        self.patches = Patches(grid, patch)
        self.width = width
        self.lookup = nn.Embedding(grid.vocab, width) if grid.vocab else None
        self.embed = nn.Linear(self.patches.cells * width if grid.vocab else self.patches.width, width)
        unit = [axis.spacing * side for axis, side in zip(grid.axes, self.patches.size, strict=True)]
        self.register_buffer("unit", torch.tensor(unit), persistent=False)

    def forward(self, view: View, dense: bool = False) -> Tokens:
        """Tokens of a view.

        Args:
            view: where its hole has the same size in every sample, only the visible tokens are embedded.
            dense: keep all tokens and mark the hole as not valid (same result, static shapes: for export).

        Raises:
            ValueError: the hole is not made of whole patches.
        """
        if view.cell is not None and not self.patches.fits(view.cell):
            raise ValueError(
                f"the mask's cell {list(view.cell)} is not a multiple of the encoder's patch "
                f"{list(self.patches.size)}; set corruption.mask.cell or encoder.patch so that it is"
            )
        patches, position, valid = self.patches.split(view.x), self.patches.centres(view.position), None
        if view.valid is not None:
            valid = self.patches.split(view.valid).any(-1)
        if view.removed is not None:
            present = self.patches.wholly(view.removed).logical_not()
            if view.visible is None or view.cell is None or dense:
                valid = present if valid is None else valid & present
            else:
                count = self.patches.count_in(view.visible, view.cell)
                index = first_true(present, count)
                patches = pick(patches, index)
                position = pick(position.expand(len(index), -1, -1), index)
                valid = None if valid is None else valid.gather(1, index)
        whole = patches.shape[1] == self.patches.count and valid is None
        tokens = self.embed(patches if self.lookup is None else self.lookup(patches).flatten(2))
        tokens = tokens + sincos(position / self.unit, self.width).to(tokens.dtype)
        return Tokens(tokens, position, valid, self.patches.shape if whole else None)
