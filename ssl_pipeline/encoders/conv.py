"""A small residual convolutional encoder for small grids and small machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ssl_pipeline.encoders.base import Encoder
from ssl_pipeline.encoders.embedding import ViewEmbedding
from ssl_pipeline.grid import GridSpec
from ssl_pipeline.layers.conv import ResidualBlock, conv_nd, norm_nd
from ssl_pipeline.records import Latent, View


class ConvEncoder(Encoder):
    """Strided stages of residual blocks (arXiv 1512.03385); a hole is told by an extra input channel.

    Statistics of BatchNorm are taken per view, so each view passes alone.

    Args:
        grid: grid of the views; every stage halves it along each axis, rounding up.
        views: names of the training views.
        widths: channels of the stages; the last is the width D of the tokens.
        blocks: residual blocks in a stage.
        norm: ``batch`` or ``group``.
        pool: cells an axis into which the last map is averaged for ``pooled``; 1 is the plain mean.
        view_drop: share of samples whose view is not told to the encoder in training.

    Raises:
        ValueError: a discrete grid.
    """

    sees_holes = True

    def __init__(
        self,
        *,
        grid: GridSpec,
        views: Sequence[str],
        widths: Sequence[int] = (64, 128, 256),
        blocks: int = 1,
        norm: str = "batch",
        pool: int = 1,
        view_drop: float = 0.25,
    ) -> None:
        super().__init__()
        if grid.discrete:
            raise ValueError("the convolutional encoder needs a continuous grid, got a discrete one: take encoder=vit")
        conv, channels = conv_nd(grid.ndim), [*widths]
        self.view = ViewEmbedding(views, channels[0], view_drop)
        self.stem = conv(grid.channels + 1, channels[0], 3, stride=2, padding=1, bias=False)
        self.stages = nn.ModuleList()
        for before, after in zip(channels[:1] + channels, channels, strict=False):
            down = [ResidualBlock(grid.ndim, before, after, norm, stride=2)] if self.stages else []
            count = blocks - len(down)
            self.stages.append(nn.Sequential(*down, *(ResidualBlock(grid.ndim, after, after, norm) for _ in range(count))))
        self.norm = norm_nd(norm, grid.ndim, channels[-1])
        self.width = channels[-1]
        self.pool = getattr(nn, f"AdaptiveAvgPool{grid.ndim}d")(pool)
        self.embedding_width = self.width * pool**grid.ndim
        shape = grid.shape
        for _ in channels:
            shape = tuple((n + 1) // 2 for n in shape)
        self.dense_shape = shape

    def forward(self, views: Mapping[str, View]) -> dict[str, Latent]:
        """Encode views by name."""
        return {name: self._encode(name, view) for name, view in views.items()}

    def _encode(self, name: str, view: View) -> Latent:
        hole = torch.zeros_like(view.x[:, :1]) if view.removed is None else view.removed.unsqueeze(1).to(view.x.dtype)
        x = torch.cat([view.x, hole], dim=1)
        if x.ndim == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        x = self.stem(x)
        x = x + self.view(name, len(x))[(..., *(None,) * (x.ndim - 2))].to(x.dtype)
        for stage in self.stages:
            x = stage(x)
        x = nn.functional.relu(self.norm(x))
        return dense_latent(x, self.pool(x).flatten(1))


def dense_latent(features: Tensor, pooled: Tensor) -> Latent:
    """Latent of a feature map (B, D, *shape)."""
    return Latent(features.flatten(2).transpose(1, 2), pooled, dense_shape=tuple(features.shape[2:]))
