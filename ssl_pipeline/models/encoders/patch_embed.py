"""From the cells of a view to tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ssl_pipeline.models.encoders.visible import visible
from ssl_pipeline.models.layers import NGrams, Patches, pick, sincos
from ssl_pipeline.structures.batch import View
from ssl_pipeline.structures.grid import GridSpec

SYMBOL = 32
"""Least width of a symbol's embedding, where several make up a token."""


class PatchTokens(NamedTuple):
    """Embedded patches of a view."""

    values: Tensor  # (B, K, D)
    coords: Tensor  # (#B, K, n) on the view's own grid
    valid: Tensor | None  # (B, K) bool, None = all
    dense_shape: tuple[int, ...] | None  # grid of the tokens, where none is left out


class PatchStem(nn.Module):
    """Embeds patches and their coordinates; leaves out the masked ones before anything is computed.

    A view of another size has more or fewer tokens, whose codes are those of its own coordinates: one that is
    stretched over the same extent lies between the places of the clean grid, as the interpolated codes of DINO
    (arXiv 2104.14294) do, and one that is cut off counts from the first place on.

    Args:
        grid: clean grid; patches must divide the views' too.
        patch: side of a patch in cells; None for ``default_patch``.
        width: width D of the tokens.
        ngrams: length of the longest n-gram that adds to a symbol's embedding; up to 1 for none.
        buckets: rows of the n-grams' table for each length.
        mask_token: have a learned token for masked patches that are kept.

    Raises:
        ValueError: ``patch`` does not divide the grid; n-grams on a grid that is no line of symbols.
    """

    unit: Tensor

    def __init__(
        self,
        grid: GridSpec,
        patch: int | Sequence[int] | None,
        width: int,
        ngrams: int = 0,
        buckets: int = 32768,
        mask_token: bool = False,
    ) -> None:
        super().__init__()
        self.patches = Patches(grid, patch)
        self.width = width
        symbol = max(min(width, SYMBOL), width // self.patches.cells)  # the symbols of a patch share its width
        self.lookup = nn.Embedding(grid.vocab, symbol) if grid.vocab else None
        self.embed = nn.Linear(self.patches.cells * symbol if grid.vocab else self.patches.width, width)
        if ngrams > 1 and not (grid.discrete and grid.ndim == 1):
            raise ValueError(
                f"encoder.ngrams={ngrams} are strings of symbols along one axis, and this grid of axes "
                f"{', '.join(grid.names)} has none: set encoder.ngrams=0"
            )
        self.ngrams = NGrams(ngrams, buckets, width) if ngrams > 1 else None
        self.mask_token = nn.Parameter(torch.randn(width) * 0.02) if mask_token else None
        unit = [axis.spacing * side for axis, side in zip(grid.axes, self.patches.size, strict=True)]
        self.register_buffer("unit", torch.tensor(unit), persistent=False)

    def forward(
        self, views: Sequence[View], dense: bool = False, kept: Sequence[Tensor | None] | None = None
    ) -> list[PatchTokens]:
        """Tokens of views, all of them embedded in one pass: a table of many rows then has one gradient.

        Args:
            views: where as many patches of one are masked in every sample, only the visible ones are embedded.
            dense: keep all tokens and mark the masked ones as not valid (same result, static shapes: for export).
            kept: of each view (B, *grid) bool, True = masked and hidden from it: with a mask token it takes the
                place of patches that lie wholly in it.

        Raises:
            ValueError: a mask, or a view, is not made of whole patches.
        """
        cut = [self._cut(view, dense) for view in views]
        patches = torch.cat([tokens.values.flatten(0, 1) for tokens in cut])
        parts = self._embedded(patches).split([tokens.values.shape[0] * tokens.values.shape[1] for tokens in cut])
        masks = [None] * len(cut) if kept is None else kept
        return [
            tokens._replace(values=self._placed(part.unflatten(0, tokens.values.shape[:2]), tokens.coords, mask))
            for tokens, part, mask in zip(cut, parts, masks, strict=True)
        ]

    def _placed(self, tokens: Tensor, coords: Tensor, kept: Tensor | None) -> Tensor:
        """Embedded patches with the code of their places, the mask token where there is one to be seen."""
        if self.mask_token is not None:
            nowhere = torch.zeros(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
            hidden = nowhere if kept is None else self.patches.wholly(kept)
            tokens = torch.where(hidden.unsqueeze(-1), self.mask_token.to(tokens.dtype), tokens)
        return tokens + sincos(coords / self.unit, self.width).to(tokens.dtype)

    def _cut(self, view: View, dense: bool) -> PatchTokens:
        """The patches (B, K, P) of a view that are to be embedded."""
        seen, patches = visible(self.patches, view, dense), self.patches.split(self._codes(view.x))
        patches = patches if seen.index is None else pick(patches, seen.index)
        return PatchTokens(patches, seen.coords, seen.valid, seen.dense_shape)

    def _codes(self, x: Tensor) -> Tensor:
        """What is known of each cell: its values, or its symbol and the rows of the n-grams that end there."""
        return x if self.ngrams is None else torch.cat([x.unsqueeze(1), self.ngrams.rows(x)], dim=1)

    def _embedded(self, patches: Tensor) -> Tensor:
        """Tokens (N, D) of patches (N, P); those of symbols from their tables."""
        if self.lookup is None:
            return self.embed(patches)
        symbols, rows = patches[..., : self.patches.cells], patches[..., self.patches.cells :]
        tokens = self.embed(self.lookup(symbols).flatten(1))
        return tokens if self.ngrams is None else tokens + self.ngrams(rows)
