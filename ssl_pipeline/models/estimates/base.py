"""What every estimate is."""

from __future__ import annotations

from abc import abstractmethod

from jaxtyping import Float
from torch import Tensor, nn


class Estimate(nn.Module):
    """What a classical tool makes of a sample, blind: nothing is learned, whatever happened to it.

    It is made of the grid of the samples, which are numbers; other sizes may come in. What its file says of it are its
    other arguments.

    Attributes:
        count: how many estimates there are.
    """

    count = 1

    @abstractmethod
    def forward(self, x: Float[Tensor, "B C *grid"]) -> list[Float[Tensor, "B C *grid"]]:
        """The estimates, in 32 bits."""
