"""A small residual convolutional encoder for small grids and small machines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import prod

import torch
from torch import Tensor, nn

from ssl_pipeline.config.registry import register
from ssl_pipeline.models.encoders.base import Encoder
from ssl_pipeline.models.encoders.view_embedding import ViewEmbedding
from ssl_pipeline.models.layers import cell_means, pool_cells
from ssl_pipeline.models.layers.conv import ResidualBlock, conv_nd, norm_nd, residual_sum
from ssl_pipeline.structures.batch import Latent, View
from ssl_pipeline.structures.grid import GridSpec


@register("encoder", "conv")
class ConvEncoder(Encoder):
    """Strided stages of residual blocks (arXiv 1512.03385); an extra input channel marks masked places and padding.

    The embedding is the last map averaged into a few cells, each dimension standardised by running statistics.

    Batch statistics are those of views that pass together. With ``statistics=together`` these are all views of one
    size, and for the embedding views of all sizes (as of multi-crop, arXiv 2006.09882). With ``statistics=view`` each
    view passes alone, as in the papers' code of BYOL, SimSiam, VICReg and Barlow Twins. The running statistics of
    inference are of all views either way.

    Args:
        widths: channels of the stages; the last is the width D of the tokens.
        blocks: residual blocks in a stage.
        norm: ``batch`` or ``group``.
        statistics: ``together`` or ``view``: whose batch statistics a view is normalised by in training.
        stride: step of the first convolution, by which it divides the grid, as every further stage does by 2, rounding
            up; None for 2, or 1 on grids of up to 16 cells an axis.
        pool: cells of the embedding along each axis, one number or one an axis; 1 is the plain mean.
        dense_connections: every stage but the first hands on what it was given, halved by means, with what it makes
            of it (DenseNet, arXiv 1608.06993), so that tokens and embedding hold what all stages have found.
        view_drop: share of samples whose view is hidden from the encoder in training.

    Raises:
        ValueError: a discrete grid; no stage; unknown ``statistics``; ``pool`` for another number of axes.
    """

    sees_masked = True
    block_list, before, behind = "stages", ("stem", "view"), ("norm", "standard")

    def __init__(
        self,
        *,
        widths: Sequence[int] = (32, 64, 128),
        blocks: int = 1,
        norm: str = "batch",
        statistics: str = "together",
        stride: int | None = None,
        pool: int | Sequence[int] = 2,
        dense_connections: bool = False,
        view_drop: float = 0.25,
    ) -> None:
        super().__init__()
        if not widths or blocks < 1:
            raise ValueError(
                f"expected at least one of encoder.widths and encoder.blocks, got {list(widths)}, {blocks}"
            )
        if statistics not in ("together", "view"):
            raise ValueError(f"encoder.statistics={statistics!r} is not known; take together or view")
        self.by_view = statistics == "view"
        self.widths, self.per_stage, self.norms = tuple(widths), blocks, norm
        self.stride, self.pool, self.dense_connections, self.view_drop = stride, pool, dense_connections, view_drop

    def setup(self, grid: GridSpec, views: Sequence[str]) -> None:
        """See ``Encoder``."""
        if grid.discrete:
            raise ValueError(
                "the convolutional encoder needs numbers, got symbols: take encoder=vit, and with it "
                "decoder=cross_attention and objective=cross_entropy"
            )
        widths, norm = self.widths, self.norms
        stride = (1 if max(grid.shape) <= 16 else 2) if self.stride is None else self.stride
        self.view = ViewEmbedding(views, widths[0], self.view_drop)
        self.stem = conv_nd(grid.ndim)(grid.width + 1, widths[0], 3, stride, padding=1, bias=False)
        stages, before = [], widths[0]
        for width in widths:
            first = ResidualBlock(grid.ndim, before, width, norm, 2 if stages else 1)
            rest = (ResidualBlock(grid.ndim, width, width, norm) for _ in range(self.per_stage - 1))
            kept = before if self.dense_connections and stages else 0
            stages.append(nn.Sequential(first, *rest))
            before = width + kept
        self.stages = nn.ModuleList(stages)
        self.depth = len(stages)
        self.norm = norm_nd(norm, grid.ndim, before)
        self.cells = pool_cells(self.pool, grid)
        self.halve = getattr(nn, f"AvgPool{grid.ndim}d")(2, ceil_mode=True)
        self.width, self.embedding_width = before, before * prod(self.cells)
        self.standard = nn.BatchNorm1d(self.embedding_width, affine=False)
        self.reduction = stride * 2 ** (len(widths) - 1)
        self.dense_shape = self.shape_of(grid.shape)

    def shape_of(self, cells: Sequence[int]) -> tuple[int, ...]:
        """Grid of the tokens of a view of so many cells."""
        return tuple(-(-n // self.reduction) for n in cells)

    def forward(self, views: Mapping[str, View], last: int = 1) -> dict[str, Latent]:
        """Encode views by name, all that pass together in one pass; there is one block to take tokens from."""
        if self.by_view and len(views) > 1:
            return {name: latent for one in views for name, latent in self.forward({one: views[one]}).items()}
        alike = defaultdict(list)
        for name, view in views.items():
            alike[view.x.shape[2:]].append(name)
        features, cells = {}, {}
        for names in alike.values():
            x = self._features({name: views[name] for name in names})
            rows = [views[name].x.shape[0] for name in names]
            features |= zip(names, x.split(rows), strict=True)
            cells |= zip(names, cell_means(x, self.cells).flatten(1).split(rows), strict=True)
        pooled = self.standard(torch.cat([cells[name] for name in views]))
        parts = zip(views, pooled.split([view.x.shape[0] for view in views.values()]), strict=True)
        return {name: dense_latent(features[name], embedding) for name, embedding in parts}

    def enter(self, name: str, view: View) -> Latent:
        """The first map."""
        return mapped(self._first({name: view}))

    def step(self, block: int, latent: Latent) -> Latent:
        """The map out of a stage."""
        return mapped(self._stage(block, latent.as_map))

    def leave(self, latent: Latent) -> Latent:
        """The last map through its norm."""
        x = nn.functional.relu(self.norm(latent.as_map))
        return dense_latent(x, self.standard(cell_means(x, self.cells).flatten(1)))

    def _features(self, views: Mapping[str, View]) -> Tensor:
        """Last maps (B, D, *shape) of views of one size, one after the other."""
        x = self._first(views)
        for block in range(self.depth):
            x = self._stage(block, x)
        return nn.functional.relu(self.norm(x), inplace=self.training)

    def _stage(self, block: int, x: Tensor) -> Tensor:
        """The map out of a stage."""
        made = self.stages[block](x)
        return torch.cat([self.halve(x), made], dim=1) if self.dense_connections and block else made

    def _first(self, views: Mapping[str, View]) -> Tensor:
        """First maps, likewise."""
        x = self.stem(torch.cat([with_mask_channel(view) for view in views.values()]))
        views_added = torch.cat([self.view(name, n := view.x.shape[0]).expand(n, -1) for name, view in views.items()])
        return residual_sum(x, views_added[(..., *(None,) * (x.ndim - 2))].to(x.dtype), self.training)

    def layers(self) -> list[list[nn.Parameter]]:
        """Stem and view embedding, then the residual blocks; the last norm belongs to the last of them."""
        layers = [[*self.stem.parameters(), *self.view.parameters()]]
        layers += ([*block.parameters()] for stage in self.stages for block in stage.children())
        layers[-1] += self.norm.parameters()
        return layers


def with_mask_channel(view: View) -> Tensor:
    """The view with a further channel that marks masked places and padding, (B, C + 1, *grid)."""
    hidden = torch.zeros_like(view.x[:, 0], dtype=torch.bool) if view.mask is None else view.mask
    hidden = hidden if view.valid is None else hidden | ~view.valid
    x = torch.cat([view.x, hidden.unsqueeze(1).to(view.x.dtype)], dim=1)
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


def mapped(x: Tensor) -> Latent:
    """A map before the last one, which is no embedding yet."""
    return dense_latent(x, x.flatten(2).mean(2))


def dense_latent(features: Tensor, pooled: Tensor) -> Latent:
    """Latent of a feature map (B, D, *shape)."""
    return Latent(features.flatten(2).transpose(1, 2), pooled, dense_shape=tuple(features.shape[2:]))
