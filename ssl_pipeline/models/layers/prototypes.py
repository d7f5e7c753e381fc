"""The head that compares an embedding with prototypes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ssl_pipeline.config.registry import register
from ssl_pipeline.models.layers.projector import Projector
from ssl_pipeline.structures.binding import Bindable


@register("head", "prototypes")
class Prototypes(Bindable, nn.Module):
    """Cosines of a projection with learned prototypes (SwAV, arXiv 2006.09882; DINO, arXiv 2104.14294).

    Attributes:
        out_features: number of prototypes.

    Args:
        hidden: width of the hidden layers.
        bottleneck: width of the projection and of the prototypes.
        count: number of prototypes.
        layers: number of linear layers of the projection.

    >>> Prototypes(hidden=32, bottleneck=8, count=10).bind(16)(torch.randn(4, 16)).shape
    torch.Size([4, 10])
    """

    def __init__(self, hidden: int = 512, bottleneck: int = 128, count: int = 1024, layers: int = 3) -> None:
        super().__init__()
        self.hidden, self.bottleneck, self.out_features, self.layers = hidden, bottleneck, count, layers

    def setup(self, width: int) -> None:
        """Make the weights for embeddings of so many numbers."""
        self.projector = Projector(self.hidden, self.bottleneck, self.layers).bind(width)
        self.prototypes = nn.Parameter(torch.randn(self.out_features, self.bottleneck))

    def forward(self, z: Float[Tensor, "B D"]) -> Float[Tensor, "B K"]:
        """Cosines from -1 to 1."""
        projection = F.normalize(self.projector(z).float(), dim=-1)
        with torch.autocast(z.device.type, enabled=False):  # temperatures magnify what bfloat16 rounds away
            return projection @ F.normalize(self.prototypes.float(), dim=-1).T
