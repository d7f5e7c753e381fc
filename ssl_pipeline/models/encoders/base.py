"""What the graph asks of an encoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import nn

from ssl_pipeline.models.encoders.view_embedding import ViewEmbedding
from ssl_pipeline.models.layers.halves import InHalves
from ssl_pipeline.structures.batch import Latent, View
from ssl_pipeline.structures.binding import Bindable
from ssl_pipeline.structures.grid import GridSpec


class Encoder(Bindable, InHalves, ABC):
    """Maps every view into the one latent space.

    It is made without a grid, ``ViT(width=192)``, and gets its weights from ``bind(grid, views)``; a graph does this.

    Attributes:
        width: width D of the tokens.
        embedding_width: width of ``Latent.pooled``.
        dense_shape: grid of the tokens of the clean sample; None where they have no places.
        sees_masked: the tokens of a masked view still cover the whole grid.
        sees_filling: it sees masked places as they are filled, since it can neither skip them nor know of them.
        blocks: number of blocks whose tokens can be averaged.
        finer: grids of the levels above the tokens that ``Latent.finer`` keeps, the view's own first.
        depth: blocks after each of which it can be cut: a view then passes ``enter``, each ``step`` and ``leave``.
        any_length: whether a tracer can follow it with samples of any length.
        any_size: whether its weights fit grids of any size, and it sees there what it saw in training: what it makes of
            a place hangs on what is near.
        shared: names of its modules that know no grid, so that encoders of several kinds of data may share them.
    """

    width: int
    embedding_width: int
    dense_shape: tuple[int, ...] | None
    sees_masked: bool
    sees_filling: bool = False
    blocks: int = 1
    finer: tuple[GridSpec, ...] = ()
    any_length: ClassVar[bool] = False
    any_size: ClassVar[bool] = False
    shared: ClassVar[tuple[str, ...]] = ()

    @property
    def what(self) -> str:
        """How sentences name it."""
        return type(self).__name__

    @abstractmethod
    def setup(self, grid: GridSpec, views: Sequence[str]) -> None:
        """Make the weights.

        Args:
            grid: of the clean samples.
            views: names of the training views.

        Raises:
            ValueError: options that do not fit the grid.
        """

    def learning(self) -> list[nn.Parameter]:
        """Parameters that are not frozen, those of the views' embeddings aside."""
        aside = [part for part in self.modules() if isinstance(part, ViewEmbedding)]
        of_views = {id(parameter) for part in aside for parameter in part.parameters()}
        return [one for one in self.parameters() if one.requires_grad and id(one) not in of_views]

    @abstractmethod
    def shape_of(self, cells: Sequence[int]) -> tuple[int, ...]:
        """Grid of the tokens of a view of so many cells along each axis.

        Raises:
            ValueError: it takes no such view.
        """

    def check_mask(self, cell: Sequence[int] | None) -> None:
        """Refuse masks whose cells, of so many places along each axis, it cannot leave out.

        Raises:
            ValueError: the cells are not made of whole patches.
        """

    @abstractmethod
    def forward(self, views: Mapping[str, View], last: int = 1) -> dict[str, Latent]:
        """Encode views by name. A name that was not trained counts as ``unknown``.

        Args:
            views: standardised.
            last: up to ``blocks``: tokens are the mean over so many of the last blocks, each standardised, for others
                to predict; 1 for those of the last one as they are.
        """

    def enter(self, name: str, view: View) -> Latent:
        """What of a view goes into the first block; no masked tokens are left out."""
        raise NotImplementedError

    def step(self, block: int, latent: Latent) -> Latent:
        """What comes out of a block."""
        raise NotImplementedError

    def leave(self, latent: Latent) -> Latent:
        """From what comes out of the last block to the latent."""
        raise NotImplementedError

    def layers(self) -> list[list[nn.Parameter]]:
        """Its parameters from the stem to the last block, each once, for learning rates that fall with depth.

        Raises:
            ValueError: it cannot tell.
        """
        raise self.no_layers()

    @classmethod
    def no_layers(cls) -> ValueError:
        """What is to be raised where it cannot tell its layers."""
        return ValueError(
            f"{cls.__name__} does not tell its layers, which optimizer.layer_decay needs: set "
            f"optimizer.layer_decay=null, or take encoder=vit, conv or timm"
        )
