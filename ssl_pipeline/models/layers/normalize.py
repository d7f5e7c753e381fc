"""From the data's units to those of the networks and back."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ssl_pipeline.structures.batch import View
from ssl_pipeline.structures.grid import GridSpec


class Normalize(nn.Module):
    """Subtracts the channels' mean and divides by their standard deviation; symbols pass.

    Args:
        grid: grid of the data.
        mean: per channel, in the data's units; None for a discrete grid.
        std: per channel, in the data's units.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, grid: GridSpec, mean: Sequence[float] | None = None, std: Sequence[float] | None = None) -> None:
        super().__init__()
        shape = (1, grid.channels or 1, *(1,) * grid.ndim)
        self.discrete = grid.discrete
        for name, value, neutral in (("mean", mean, 0.0), ("std", std, 1.0)):
            buffer = torch.as_tensor([neutral] * shape[1] if value is None else value).float().view(shape)
            self.register_buffer(name, buffer, persistent=not grid.discrete)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *grid) in the data's units to mean 0, standard deviation 1."""
        return x if self.discrete else (x - self.mean) / self.std

    def inverse(self, x: Tensor) -> Tensor:
        """Back to the data's units."""
        return x if self.discrete else x * self.std + self.mean

    def of(self, view: View) -> View:
        """A view in the networks' units, and so its values under the mask."""
        unmasked = None if view.unmasked is None else self(view.unmasked)
        return view._replace(x=self(view.x), unmasked=unmasked)
