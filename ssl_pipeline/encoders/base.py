"""What the graph asks of an encoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import nn

from ssl_pipeline.records import Latent, View


class Encoder(nn.Module, ABC):
    """Maps every view into the one latent space.

    Attributes:
        width: width D of the tokens.
        embedding_width: width of ``Latent.pooled``.
        dense_shape: grid of the tokens of the clean sample.
        sees_holes: the tokens of a view with holes still cover the whole grid.
        shared: names of its modules that know no grid, so that encoders of several kinds of data may share them.
    """

    width: int
    embedding_width: int
    dense_shape: tuple[int, ...]
    sees_holes: bool
    shared: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def shape_of(self, cells: Sequence[int]) -> tuple[int, ...]:
        """Grid of the tokens of a view of so many cells along each axis.

        Raises:
            ValueError: it takes no such view.
        """

    def average_last(self, layers: int) -> None:
        """From now on give as tokens the mean over the last so many blocks, each standardised over its D numbers.

        Raises:
            ValueError: it has not so many, or knows no blocks.
        """
        if layers != 1:
            raise ValueError(
                f"teacher.layers={layers}: {type(self).__name__} has no blocks to average, take encoder=vit"
            )

    @abstractmethod
    def forward(self, views: Mapping[str, View]) -> dict[str, Latent]:
        """Encode views by name. A name that was not trained counts as ``unknown``."""

    def layers(self) -> list[list[nn.Parameter]]:
        """Its parameters from the stem to the last block, each once, for learning rates that fall with depth.

        Raises:
            ValueError: it cannot tell.
        """
        raise ValueError(
            f"{type(self).__name__} does not tell its layers, which optimizer.layer_decay needs: set "
            f"optimizer.layer_decay=null, or take encoder=vit, conv or timm"
        )
