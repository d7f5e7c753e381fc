"""The extension point for what treats gradients and weights during training."""

from __future__ import annotations

from typing import ClassVar

import lightning as L

from ssl_pipeline.graph.graph_set import GraphSet


class GraphCallback:
    """Called with the graphs around each step of the optimiser; every hook does nothing unless a subclass defines it.

    ``PretrainModule`` calls ``on_build`` once, then ``before_optimizer_step`` and ``after_step`` in each step; any
    other loop can do the same, with ``GraphSet.of(graph)``. What a callback does to a graph is not part of its weights:
    a trained graph is loaded without it.
    """

    shards: ClassVar[bool] = False
    """Whether it works on weights in shards (``hardware=fsdp``)."""

    compiles: ClassVar[bool] = True
    """Whether it works on a compiled encoder (``hardware.compile=true``)."""

    @property
    def loss_scale(self) -> bool:
        """Whether it works with a loss scaler (``hardware.precision=16-mixed``)."""
        return True

    def on_build(self, graphs: GraphSet) -> None:
        """Change built graphs in place; their forward pass and the names of their weights stay.

        Args:
            graphs: those of the run by the names of their data sets: mostly one.

        Raises:
            ValueError: they hold nothing that the callback can treat.
        """

    def before_optimizer_step(self, graphs: GraphSet) -> None:
        """Between the backward pass, whose gradients are the mean over ranks, and the optimiser's step."""

    def after_step(self, graphs: GraphSet, step: int) -> None:
        """After the optimiser's step, and before the teacher follows.

        Args:
            graphs: those that were given to ``on_build``.
            step: of the training, counted from 1.
        """


def graphs_of(module: L.LightningModule) -> GraphSet:
    """The graphs of a ``PretrainModule``, for callbacks, which Lightning gives a module of any kind."""
    return module.graphs  # pyright: ignore[reportReturnType]
