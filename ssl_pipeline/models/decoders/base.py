"""What the graph asks of a decoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor

from ssl_pipeline.models.layers import Patches
from ssl_pipeline.models.layers.halves import InHalves
from ssl_pipeline.structures.batch import Latent
from ssl_pipeline.structures.binding import Bindable
from ssl_pipeline.structures.grid import GridSpec


class Decoder(Bindable, InHalves, ABC):
    """Maps a latent to patches of its target's grid.

    It is made without sizes, ``CrossAttentionDecoder(depth=2)``, and gets its weights from ``bind``; a graph does this,
    once for each target.

    Attributes:
        patches: how the target is cut.
        needs_grid: whether it needs a latent whose tokens cover the grid.
        causal: whether ``forward`` continues from the true patches, and so needs the target.
        depth: blocks after each of which it can be cut: ``forward`` is then ``enter``, each ``step`` and ``leave``.
        rereads: whether its blocks read the latent, too, and not only what the block before them gave.
        any_size: see ``Encoder``.
    """

    patches: Patches
    needs_grid: bool
    causal: bool = False
    rereads: bool = True
    any_size: bool = False

    @abstractmethod
    def setup(
        self,
        grid: GridSpec,
        latent_width: int,
        dense_shape: tuple[int, ...] | None = None,
        n_params: int = 0,
        finer: Sequence[GridSpec] = (),
    ) -> None:
        """Make the weights.

        Args:
            grid: of the target.
            latent_width: width D of the latent's tokens.
            dense_shape: grid of the latent's tokens; None where they do not cover one.
            n_params: number of parameters k of the target's corruption; 0 where the target is no view.
            finer: grids of the levels above the tokens, the view's own first, of an encoder that keeps them.

        Raises:
            ValueError: options that do not fit the grid.
        """

    @abstractmethod
    def forward(
        self,
        latent: Latent,
        places: Tensor | None = None,
        corruption_params: Tensor | None = None,
        target: Tensor | None = None,
    ) -> Tensor:
        """Patches of the target.

        Args:
            latent: tokens (B, N, D).
            places: (B, Q) indices of the wanted patches; None for all of them.
            corruption_params: (B, k) parameters of the corruption, where the target is a view.
            target: (B, N, P) all true patches, (B, L, 1) symbols on a discrete grid: for decoders that continue from
                them. No patch depends on itself or on later ones.

        Returns:
            (B, Q, P) values of the patches, or (B, Q, vocab) logits on a discrete grid.
        """

    def enter(self, latent: Latent, places: Tensor | None = None, corruption_params: Tensor | None = None) -> Tensor:
        """What goes into the first block."""
        raise NotImplementedError

    def step(self, block: int, x: Tensor, latent: Latent) -> Tensor:
        """What comes out of a block."""
        raise NotImplementedError

    def leave(self, x: Tensor, latent: Latent, places: Tensor | None = None) -> Tensor:
        """From what comes out of the last block to patches, or logits."""
        raise NotImplementedError

    def _steps(self, latent: Latent, places: Tensor | None, corruption_params: Tensor | None) -> Tensor:
        """All of it."""
        x = self.enter(latent, places, corruption_params)
        for block in range(self.depth):
            x = self.step(block, x, latent)
        return self.leave(x, latent, places)

    def generate(self, latent: Latent, corruption_params: Tensor | None = None) -> Tensor:
        """All patches (B, N, P), or (B, N, vocab) logits, without a target."""
        return self(latent, None, corruption_params)


def decoded_patches(grid: GridSpec, patch: int | Sequence[int] | None) -> Patches:
    """The patches in which a target is decoded.

    Raises:
        ValueError: they do not divide the grid, or hold several symbols.
    """
    patches = Patches(grid, patch)
    if grid.discrete and patches.cells > 1:
        raise ValueError(f"decoder.patch={patch}: a discrete grid is decoded cell by cell, set decoder.patch=1")
    return patches
