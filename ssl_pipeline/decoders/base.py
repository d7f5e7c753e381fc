"""What the graph asks of a decoder."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from ssl_pipeline.layers import Patches
from ssl_pipeline.records import Latent


class Decoder(nn.Module, ABC):
    """Maps a latent to patches of its target's grid.

    Attributes:
        patches: how the target is cut.
        needs_grid: whether it needs a latent whose tokens cover the grid.
    """

    patches: Patches
    needs_grid: bool

    @abstractmethod
    def forward(self, latent: Latent, places: Tensor | None = None, told: Tensor | None = None) -> Tensor:
        """Patches of the target.

        Args:
            latent: tokens (B, N, D).
            places: (B, Q) indices of the wanted patches; None for all of them.
            told: (B, k) parameters of the corruption, where the target is a view.

        Returns:
            (B, Q, P) values of the patches, or (B, Q, vocab) logits on a discrete grid.
        """
