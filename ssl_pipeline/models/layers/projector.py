"""The head between the embedding and an energy."""

from __future__ import annotations

from torch import nn
from torchvision.ops import MLP


class Projector(MLP):
    """MLP with BatchNorm after every layer but the last (SimCLR, arXiv 2002.05709).

    Attributes:
        out_features: width of the projection.

    Args:
        width: width of the embedding.
        hidden: width of the hidden layers.
        out: width of the projection.
        layers: number of linear layers.
        last_norm: BatchNorm after the last layer too, without scale and shift (SimSiam, arXiv 2011.10566).
    """

    def __init__(self, width: int, hidden: int = 256, out: int = 128, layers: int = 2, last_norm: bool = False) -> None:
        super().__init__(width, [*(hidden,) * (layers - 1), out], norm_layer=nn.BatchNorm1d, inplace=None)
        self.out_features = out
        if last_norm:
            self.append(nn.BatchNorm1d(out, affine=False))
