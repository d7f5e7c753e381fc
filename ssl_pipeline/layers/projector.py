"""The head between the embedding and an energy."""

from __future__ import annotations

from torch import nn
from torchvision.ops import MLP


class Projector(MLP):
    """MLP with BatchNorm after every layer but the last (SimCLR, arXiv 2002.05709).

    Args:
        width: width of the embedding.
        hidden: width of the hidden layers.
        out: width of the projection.
        layers: number of linear layers.
    """

    def __init__(self, width: int, hidden: int = 256, out: int = 128, layers: int = 2) -> None:
        super().__init__(width, [*(hidden,) * (layers - 1), out], norm_layer=nn.BatchNorm1d, inplace=None)
