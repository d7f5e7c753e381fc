"""The head between the embedding and a loss."""

from __future__ import annotations

from torch import nn
from torchvision.ops import MLP

from ssl_pipeline.config.registry import register
from ssl_pipeline.structures.binding import Bindable


@register("head", "projector")
class Projector(Bindable, nn.Sequential):
    """MLP with BatchNorm after every layer but the last (SimCLR, arXiv 2002.05709).

    It is made without the embedding's width, ``Projector(hidden=512)``, and gets its weights from ``bind(width)``.

    Attributes:
        out_features: width of the projection.

    Args:
        hidden: width of the hidden layers.
        out: width of the projection.
        layers: number of linear layers.
        last_norm: BatchNorm after the last layer too, without scale and shift (SimSiam, arXiv 2011.10566).

    Raises:
        ValueError: a number below 1.
    """

    def __init__(self, hidden: int = 256, out: int = 128, layers: int = 2, last_norm: bool = False) -> None:
        super().__init__()
        if min(hidden, out, layers) < 1:
            given = f"hidden={hidden}, out={out}, layers={layers}"
            raise ValueError(f"a projector needs hidden, out and layers of at least 1, got {given}")
        self.hidden, self.out_features, self.layers, self.last_norm = hidden, out, layers, last_norm

    def setup(self, width: int) -> None:
        """Make the layers for embeddings of so many numbers."""
        widths = [*(self.hidden,) * (self.layers - 1), self.out_features]
        self.extend(MLP(width, widths, norm_layer=nn.BatchNorm1d, inplace=None))
        if self.last_norm:
            self.append(nn.BatchNorm1d(self.out_features, affine=False))
