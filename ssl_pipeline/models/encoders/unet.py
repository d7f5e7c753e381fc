"""An encoder whose latent is a pyramid: what is coarse becomes tokens, what is fine stays at its level."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import prod

import torch
from torch import Tensor, nn

from ssl_pipeline.config.registry import register
from ssl_pipeline.models.encoders.base import Encoder
from ssl_pipeline.models.encoders.conv import dense_latent, mapped, with_mask_channel
from ssl_pipeline.models.encoders.view_embedding import ViewEmbedding
from ssl_pipeline.models.layers import cell_means, pool_cells
from ssl_pipeline.models.layers.conv import conv_nd
from ssl_pipeline.models.layers.unet import PlainBlock, folded
from ssl_pipeline.structures.batch import Latent, View
from ssl_pipeline.structures.grid import GridSpec


@register("encoder", "unet")
class UNetEncoder(Encoder):
    """The way down of a U-Net (arXiv 1505.04597) of plain residual blocks (DRUNet, arXiv 2008.13751).

    The latent's tokens are the map of the deepest level. The levels above it, and the view itself (of symbols, as ones
    among zeros), are ``Latent.finer``, for ``decoder=unet``. The embedding is the deepest map averaged into a few
    cells, each dimension standardised by running statistics; losses between embeddings, teachers and probes work on it.

    Args:
        widths: channels of the levels, fine to coarse; each level after the first halves the grid, rounding up. The
            last is the width D of the tokens.
        blocks: residual blocks of a level.
        fold: cells along each axis that the first level puts into channels (FFDNet, arXiv 1710.04026): 2 makes it
            four times as cheap on images; 1 for none. It must divide the grid.
        pool: cells of the embedding along each axis, one number or one an axis; 1 is the plain mean.
        view_drop: share of samples whose view is hidden from the encoder in training.

    Raises:
        ValueError: a grid that ``fold`` does not divide; one level, or none; ``pool`` for another
            number of axes.

    >>> encoder = UNetEncoder(widths=[8, 16]).bind(GridSpec.of(("y", 8), ("x", 8), channels=3), ("noise",))
    >>> encoder.dense_shape, [level.channels for level in encoder.finer]
    ((2, 2), [3, 8])
    """

    sees_masked = any_size = True
    block_list, before, behind = "levels", ("stem", "view"), ("standard",)

    def __init__(
        self,
        *,
        widths: Sequence[int] = (32, 64, 128),
        blocks: int = 2,
        fold: int = 2,
        pool: int | Sequence[int] = 1,
        view_drop: float = 0.25,
    ) -> None:
        super().__init__()
        if len(widths) < 2 or blocks < 1:
            raise ValueError(
                f"encoder.widths={list(widths)}, encoder.blocks={blocks}: expected two levels or more, and a block"
            )
        self.widths, self.per_level, self.fold, self.pool, self.view_drop = tuple(widths), blocks, fold, pool, view_drop

    def setup(self, grid: GridSpec, views: Sequence[str]) -> None:
        """See ``Encoder``."""
        if self.fold < 1 or any(n % self.fold for n in grid.shape):
            raise ValueError(f"encoder.fold={self.fold} does not divide {list(grid.shape)} cells: set encoder.fold=1")
        conv, widths, self.vocab = conv_nd(grid.ndim), self.widths, grid.vocab
        self.view = ViewEmbedding(views, widths[0], self.view_drop)
        self.stem = conv(((grid.vocab or grid.width) + 1) * self.fold**grid.ndim, widths[0], 3, padding=1, bias=False)
        levels, before = [], widths[0]
        for width in widths:
            down = conv(before, width, 3, 2, padding=1, bias=False) if levels else nn.Identity()
            levels.append(nn.Sequential(down, *(PlainBlock(grid.ndim, width) for _ in range(self.per_level))))
            before = width
        self.levels, self.depth = nn.ModuleList(levels), len(levels)
        self.cells = pool_cells(self.pool, grid)
        self.width, self.embedding_width = before, before * prod(self.cells)
        self.standard = nn.BatchNorm1d(self.embedding_width, affine=False)
        shapes = [tuple(-(-n // (self.fold * 2**level)) for n in grid.shape) for level in range(self.depth)]
        above = zip(widths, shapes[:-1], strict=False)
        self.finer = (grid, *(GridSpec(grid.resized(shape).axes, channels=width) for width, shape in above))
        self.dense_shape = shapes[-1]

    def shape_of(self, cells: Sequence[int]) -> tuple[int, ...]:
        """Grid of the tokens of a view of so many cells.

        Raises:
            ValueError: ``fold`` does not divide them.
        """
        if any(n % self.fold for n in cells):
            raise ValueError(f"encoder.fold={self.fold} does not divide {list(cells)} cells: set encoder.fold=1")
        return tuple(-(-n // (self.fold * 2 ** (self.depth - 1))) for n in cells)

    def forward(self, views: Mapping[str, View], last: int = 1) -> dict[str, Latent]:
        """Encode views by name, those of one size in one pass; there is one block to take tokens from."""
        views, alike = {name: self._numbers(view) for name, view in views.items()}, defaultdict(list)
        for name, view in views.items():
            alike[view.x.shape[2:]].append(name)
        latents = {}
        for names in alike.values():
            some = {name: views[name] for name in names}
            x, maps = self._first(some), [torch.cat([view.x for view in some.values()])]
            for level in self.levels:
                maps.append(x := level(x))
            rows = [view.x.shape[0] for view in some.values()]  # not len, which an export would take for a constant
            parts = zip(*(each.split(rows) for each in maps), strict=True)
            latents |= {name: (deepest, tuple(finer)) for name, (*finer, deepest) in zip(names, parts, strict=True)}
        cells = [cell_means(latents[name][0], self.cells).flatten(1) for name in views]
        pooled = self.standard(torch.cat(cells)).split([some.shape[0] for some in cells])
        return {
            name: dense_latent(latents[name][0], some)._replace(finer=latents[name][1])
            for name, some in zip(views, pooled, strict=True)
        }

    def enter(self, name: str, view: View) -> Latent:
        """The first map, and the view."""
        view = self._numbers(view)
        return mapped(self._first({name: view}))._replace(finer=(view.x,))

    def step(self, block: int, latent: Latent) -> Latent:
        """The map of a level; those above it are kept."""
        x = latent.as_map
        return mapped(self.levels[block](x))._replace(finer=(*latent.finer, x) if block else latent.finer)

    def leave(self, latent: Latent) -> Latent:
        """With the embedding."""
        return latent._replace(pooled=self.standard(cell_means(latent.as_map, self.cells).flatten(1)))

    def layers(self) -> list[list[nn.Parameter]]:
        """Stem and view embedding, then the residual blocks; the way down to a level belongs to its first one."""
        layers = [[*self.stem.parameters(), *self.view.parameters()]]
        for level in self.levels:
            down, first, *rest = level.children()
            layers.append([*down.parameters(), *first.parameters()])
            layers += ([*block.parameters()] for block in rest)
        return layers

    def _numbers(self, view: View) -> View:
        """Symbols as ones among zeros, (B, vocab, *grid)."""
        if self.vocab is None:
            return view
        known = torch.arange(self.vocab, device=view.x.device).view(-1, *(1,) * (view.x.ndim - 1))
        return view._replace(x=(view.x.unsqueeze(1) == known).float())  # one_hot would wait for the device

    def _first(self, views: Mapping[str, View]) -> Tensor:
        """First maps of views of one size, one after the other."""
        x = self.stem(folded(torch.cat([with_mask_channel(view) for view in views.values()]), self.fold))
        added = torch.cat([self.view(name, n := view.x.shape[0]).expand(n, -1) for name, view in views.items()])
        return x + added[(..., *(None,) * (x.ndim - 2))].to(x.dtype)
