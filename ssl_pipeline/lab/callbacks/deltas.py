"""Wanted changes go back through the inverses of linear layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from ssl_pipeline.config.registry import register
from ssl_pipeline.graph.graph_set import GraphSet
from ssl_pipeline.lab.callbacks.base import PartsCallback
from ssl_pipeline.lab.layers import InverseDeltaLinear


@register("callback", "inverse_delta")
class InverseDeltas(PartsCallback):
    """``InverseDeltaLinear`` in the place of each ``nn.Linear`` of the chosen parts, with its weights and their names.

    Args:
        parts: see ``PartsCallback``.
        damping: see ``InverseDeltaLinear``.

    Raises:
        ValueError: negative damping.
    """

    compiles: ClassVar[bool] = False  # what a compiler traces once would hold the inverse of the first weight

    def __init__(self, parts: Sequence[str] = ("encoder",), damping: float = 0.1) -> None:
        super().__init__(parts)
        InverseDeltaLinear(1, 1, damping=damping)
        self.damping = damping

    def on_build(self, graphs: GraphSet) -> None:
        """Replace the layers; a subclass of ``nn.Linear`` is left."""
        made: dict[nn.Module, InverseDeltaLinear] = {}
        for owner in [owner for part in self.modules(graphs) for owner in part.modules()]:
            for name, layer in owner.named_children():
                if type(layer) is nn.Linear:
                    made[layer] = made.get(layer) or InverseDeltaLinear.of(layer, self.damping)
                    setattr(owner, name, made[layer])
        if not made:
            raise self.missing("nn.Linear")
