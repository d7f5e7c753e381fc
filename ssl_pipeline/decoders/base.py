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
        causal: whether ``forward`` continues from the true patches, and so needs the target.
    """

    patches: Patches
    needs_grid: bool
    causal: bool = False

    @abstractmethod
    def forward(
        self,
        latent: Latent,
        places: Tensor | None = None,
        told: Tensor | None = None,
        target: Tensor | None = None,
    ) -> Tensor:
        """Patches of the target.

        Args:
            latent: tokens (B, N, D).
            places: (B, Q) indices of the wanted patches; None for all of them.
            told: (B, k) parameters of the corruption, where the target is a view.
            target: (B, N, P) all true patches, (B, L, 1) symbols on a discrete grid: for decoders that continue from
                them. No patch depends on itself or on later ones.

        Returns:
            (B, Q, P) values of the patches, or (B, Q, vocab) logits on a discrete grid.
        """

    def generate(self, latent: Latent, told: Tensor | None = None) -> Tensor:
        """All patches (B, N, P), or (B, N, vocab) logits, without a target."""
        return self(latent, None, told)
