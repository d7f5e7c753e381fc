"""What the graph asks of a latent's format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import nn

from ssl_pipeline.models.latents.consensus import MeanConsensus
from ssl_pipeline.structures.batch import Latent
from ssl_pipeline.structures.binding import Bindable


class LatentFormat(Bindable, nn.Module, ABC):
    """From the tokens of an encoder to the common latent.

    Attributes:
        width: width D of the latent's tokens.
        embedding_width: width of ``Latent.pooled``.
        keeps_grid: whether the tokens stay where they lie in the sample.
        fuse: makes one latent of those of all views of a sample; None: each view keeps its own.
    """

    width: int
    embedding_width: int
    keeps_grid: ClassVar[bool]
    fuse: MeanConsensus | None

    @abstractmethod
    def setup(self, width: int, embedding_width: int) -> None:
        """Make the weights.

        Args:
            width: width D of the encoder's tokens.
            embedding_width: width of the encoder's embedding.
        """

    @abstractmethod
    def forward(self, latent: Latent) -> Latent:
        """The latent of what an encoder gives."""
