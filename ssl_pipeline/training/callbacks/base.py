"""The extension point for what treats gradients and weights during training."""

from __future__ import annotations

from typing import ClassVar

from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.graph.multi_dataset import MixedGraph


class GraphCallback:
    """Called with the graph around each step of the optimiser; every hook does nothing unless a subclass defines it.

    ``PretrainModule`` calls ``on_build`` once, then ``before_optimizer_step`` and ``after_step`` in each step; any
    other loop can do the same. What a callback does to a graph is not part of its weights: a trained graph is loaded
    without it.
    """

    shards: ClassVar[bool] = False
    """Whether it works on weights in shards (``hardware=fsdp``)."""

    compiles: ClassVar[bool] = True
    """Whether it works on a compiled encoder (``hardware.compile=true``)."""

    @property
    def loss_scale(self) -> bool:
        """Whether it works with a loss scaler (``hardware.precision=16-mixed``)."""
        return True

    def on_build(self, graph: Graph | MixedGraph) -> None:
        """Change a built graph in place; its forward pass and the names of its weights stay.

        Raises:
            ValueError: the graph holds nothing that the callback can treat.
        """

    def before_optimizer_step(self, graph: Graph | MixedGraph) -> None:
        """Between the backward pass, whose gradients are the mean over ranks, and the optimiser's step."""

    def after_step(self, graph: Graph | MixedGraph, step: int) -> None:
        """After the optimiser's step, and before the teacher follows.

        Args:
            graph: the one that was given to ``on_build``.
            step: of the training, counted from 1.
        """
