"""The plainest latent: the encoder's own tokens."""

from __future__ import annotations

from ssl_pipeline.config.registry import register
from ssl_pipeline.models.latents.base import LatentFormat
from ssl_pipeline.structures.batch import Latent


@register("latent", "tokens")
class Tokens(LatentFormat):
    """Each view keeps the tokens its encoder gave."""

    keeps_grid = True
    fuse = None

    def setup(self, width: int, embedding_width: int) -> None:
        """See ``LatentFormat``."""
        self.width, self.embedding_width = width, embedding_width

    def forward(self, latent: Latent) -> Latent:
        """The latent itself."""
        return latent
