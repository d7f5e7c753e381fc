"""What the graph asks of an encoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import nn

from ssl_pipeline.records import Latent, View


class Encoder(nn.Module, ABC):
    """Maps every view into the one latent space.

    Attributes:
        width: width D of the tokens.
        embedding_width: width of ``Latent.pooled``.
        dense_shape: grid of the tokens of a view without holes.
        sees_holes: the tokens of a view with holes still cover the whole grid.
        shared: names of its modules that know no grid, so that encoders of several kinds of data may share them.
    """

    width: int
    embedding_width: int
    dense_shape: tuple[int, ...]
    sees_holes: bool
    shared: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def forward(self, views: Mapping[str, View]) -> dict[str, Latent]:
        """Encode views by name. A name that was not trained counts as ``unknown``."""
