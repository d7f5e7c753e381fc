"""Weights that stay invertible."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from ssl_pipeline.config.registry import register
from ssl_pipeline.graph.graph_set import GraphSet
from ssl_pipeline.lab.callbacks.base import PartsCallback
from ssl_pipeline.lab.layers import bounded_spectrum
from ssl_pipeline.optim.recipe import MAPS


@register("callback", "weight_protection")
class ProtectWeights(PartsCallback):
    """Moves each matrix towards the nearest one whose singular values lie in bounds; see ``bounded_spectrum``.

    With ``strength`` 1 that is a projection. Below it is a decoupled regulariser (as weight decay is in AdamW, arXiv
    1711.05101): the step of that rate down half the squared distance from the matrices that are allowed.

    Kernels of convolutions count as matrices from all they see to their output channels.

    Args:
        parts: see ``PartsCallback``.
        low: smallest singular value.
        high: largest singular value.
        strength: share of the way, above 0 and up to 1.
        every: steps of the optimiser from one time to the next; a matrix of 192 by 192 took 6 ms on a processor, one
            of 768 by 192 13 ms.

    Raises:
        ValueError: a number outside its range.
    """

    def __init__(
        self,
        parts: Sequence[str] = ("encoder",),
        low: float = 0.1,
        high: float = 10.0,
        strength: float = 1.0,
        every: int = 10,
    ) -> None:
        super().__init__(parts)
        if not (0 < low <= high and 0 < strength <= 1 and every >= 1):
            raise ValueError(
                f"weight_protection: expected 0 < low <= high, a strength above 0 and up to 1 and every of at least 1, "
                f"got low={low}, high={high}, strength={strength}, every={every}"
            )
        self.low, self.high, self.strength, self.every = low, high, strength, every

    def on_build(self, graphs: GraphSet) -> None:
        """Look whether there are matrices."""
        if not self._weights(graphs):
            raise self.missing("linear map or convolution")

    @torch.no_grad()
    def after_step(self, graphs: GraphSet, step: int) -> None:
        """Move the matrices, each time that ``every`` divides the step."""
        if step % self.every:
            return
        for weight in self._weights(graphs):
            matrix = weight.flatten(1)
            weight.lerp_(bounded_spectrum(matrix, self.low, self.high).view_as(weight), self.strength)

    def _weights(self, graphs: GraphSet) -> list[nn.Parameter]:
        maps = (module for part in self.modules(graphs) for module in part.modules() if isinstance(module, MAPS))
        weights: dict[nn.Parameter, None] = dict.fromkeys(module.weight for module in maps)  # pyright: ignore
        return [*weights]
