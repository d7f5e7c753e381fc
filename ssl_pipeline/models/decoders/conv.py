"""A small convolutional decoder from a latent that covers the grid."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from ssl_pipeline.config.registry import register
from ssl_pipeline.models.decoders.base import Decoder
from ssl_pipeline.models.layers import Patches, pick
from ssl_pipeline.models.layers.conv import ResidualBlock, conv_nd
from ssl_pipeline.structures.batch import Latent
from ssl_pipeline.structures.grid import GridSpec


@register("decoder", "conv")
class ConvDecoder(Decoder):
    """Residual blocks, each followed by nearest-neighbour up-sampling, which leaves no checkerboards.

    Args:
        patch: side of the patches in which the result is given, in cells.
        widths: channels of the stages, coarse to fine; each doubles the grid up to its full size.
        norm: ``batch`` or ``group``.

    Raises:
        ValueError: a discrete grid, or a latent that does not cover the grid.
    """

    needs_grid = True
    rereads = False
    before, behind = ("params",), ("head",)

    def __init__(
        self,
        *,
        patch: int | Sequence[int] | None = None,
        widths: Sequence[int] = (32, 16, 16),
        norm: str = "group",
    ) -> None:
        super().__init__()
        self.patch, self.widths, self.norm = patch, tuple(widths), norm

    def setup(
        self,
        grid: GridSpec,
        latent_width: int,
        dense_shape: tuple[int, ...] | None = None,
        n_params: int = 0,
        finer: Sequence[GridSpec] = (),
    ) -> None:
        """See ``Decoder``."""
        if grid.discrete or dense_shape is None:
            raise ValueError(
                "the convolutional decoder needs a continuous grid and a latent that covers it: "
                "take decoder=cross_attention"
            )
        self.patches = Patches(grid, self.patch)
        self.shape = grid.shape
        self.params = nn.Linear(n_params, latent_width) if n_params else None
        conv, channels = conv_nd(grid.ndim), [latent_width, *self.widths]
        self.blocks = nn.ModuleList(
            ResidualBlock(grid.ndim, before, after, self.norm) for before, after in pairwise(channels)
        )
        self.depth = len(self.blocks)
        steps = range(self.depth - 1, -1, -1)
        self.sizes = [tuple(-(-n // 2**k) for n in grid.shape) for k in steps]
        self.head = conv(channels[-1], grid.channels, 3, padding=1)

    def forward(
        self,
        latent: Latent,
        places: Tensor | None = None,
        corruption_params: Tensor | None = None,
        target: Tensor | None = None,
    ) -> Tensor:
        """Patches (B, Q, P) at ``places``; the target is not looked at."""
        return self._steps(latent, places, corruption_params)

    def enter(self, latent: Latent, places: Tensor | None = None, corruption_params: Tensor | None = None) -> Tensor:
        """The latent as a map (B, D, *shape)."""
        x = latent.as_map
        if self.params is not None and corruption_params is not None:
            x = x + self.params(corruption_params)[(..., *(None,) * (x.ndim - 2))]
        return x

    def step(self, block: int, x: Tensor, latent: Latent) -> Tensor:
        """A map of twice the size."""
        return F.interpolate(self.blocks[block](x), size=self.sizes[block], mode="nearest")

    def leave(self, x: Tensor, latent: Latent, places: Tensor | None = None) -> Tensor:
        """Patches (B, Q, P) of the last map."""
        patches = self.patches.split(self.head(x))
        return patches if places is None else pick(patches, places)
