"""The graph as a Lightning module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightning as L
from torch import Tensor, nn
from torch.optim import Optimizer

from ssl_pipeline.data.loaders import as_batch, spec_of
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.graph.graph_set import GraphSet
from ssl_pipeline.graph.validation import encoder_learns
from ssl_pipeline.optim.adamw import AdamW
from ssl_pipeline.optim.recipe import Recipe
from ssl_pipeline.structures.batch import Batch
from ssl_pipeline.structures.random import seed_models
from ssl_pipeline.training.callbacks.base import GraphCallback
from ssl_pipeline.training.callbacks.clock import Clock
from ssl_pipeline.training.fsdp import is_sharded, shard
from ssl_pipeline.training.micro_batches import drawing_rank


class PretrainModule(L.LightningModule):
    """Corrupts each batch on its device and minimises the graph's loss, in any ``lightning.Trainer``.

    Loaders may give tensors, tuples that begin with one, dictionaries or ``Batch`` records.

    Args:
        graph: what is trained, or a set of graphs, of which each step trains the one whose turn it is. A graph that is
            not bound to data is bound to the training loader's first samples.
        optimizer: optimiser and schedule; None: AdamW.
        clock: knows the progress that the schedule follows; None: the trainer's steps or epochs.
        batch_size: of a step, over all devices and micro-batches, for rules that scale the rate with it; None: that of
            the optimiser's rate.
        seed: of every random number in training.
        callbacks: called around each step, in this order.

    Attributes:
        graphs: what is trained, one graph for each data set.
        graph: that graph where there is one, else what holds the weights of all.
    """

    def __init__(
        self,
        graph: Graph | GraphSet,
        optimizer: Recipe | None = None,
        clock: Clock | None = None,
        batch_size: int | None = None,
        seed: int = 0,
        callbacks: Sequence[GraphCallback] = (),
    ) -> None:
        super().__init__()
        self.callbacks = tuple(callbacks)
        self.recipe = optimizer or AdamW()
        self.clock, self.seed = clock or Clock(), seed
        self.batch_size = batch_size or self.recipe.base_batch
        self._set_graphs(GraphSet.of(graph))

    def _set_graphs(self, graphs: GraphSet) -> None:
        self.graphs = graphs
        self.graph: Any = graphs.module  # by this name a checkpoint calls the weights
        for callback in self.callbacks if graphs.is_bound else ():
            callback.on_build(graphs)

    def configure_model(self) -> None:
        """Bind the graph to the data where it is not, and leave a shard on each device of a mesh."""
        if not self.graphs.is_bound:
            self.trainer.fit_loop.setup_data()
            self._set_graphs(GraphSet.of(self.graphs.only.bind(spec_of(self.trainer.train_dataloader or ()))))
        if self.device_mesh is not None and not is_sharded(self.graph):
            shard(self.graphs.only, self.device_mesh)

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Batch:
        """Batches of any loader as records."""
        return as_batch(batch)

    def configure_optimizers(self) -> Optimizer:
        """The recipe's optimiser."""
        return self.recipe.optimizer(self.graph, self.batch_size)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Set the learning rate by progress."""
        share = self.recipe.rate(self.clock.progress(self.trainer), self.clock.stride(self.trainer))
        rate = share * self.recipe.peak(self.batch_size)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = rate * group.get("lr_scale", 1.0)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Gradients are whole, and not clipped yet."""
        if self.global_step == 0:
            encoder_learns(self.graphs.at(0)[1].encoder)
        for callback in self.callbacks:
            callback.before_optimizer_step(self.graphs)

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip without a loss scale in between; Lightning refuses fused optimisers, which only matter where one is."""
        if gradient_clip_val and self.trainer.precision != "16-mixed":
            by_value = gradient_clip_algorithm == "value"
            clip = nn.utils.clip_grad_value_ if by_value else nn.utils.clip_grad_norm_
            clip(self.parameters(), gradient_clip_val)
            return
        self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Each step of the weights is followed by one of the teacher."""
        super().optimizer_step(*args, **kwargs)
        for callback in self.callbacks:
            callback.after_step(self.graphs, self.trainer.global_step + 1)  # Lightning counts it behind this hook
        self.graphs.follow(self.clock.progress(self.trainer))

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Losses of a batch; every random number follows from (seed, step, rank and micro-batch)."""
        step, rank = self.trainer.global_step, drawing_rank(self.trainer, batch_idx)
        seed_models(self.device, self.seed, step, rank, "model")
        name, graph = self.graphs.at(step)
        losses = graph(graph.corrupt(batch, self.seed, step, rank))
        prefix = self.graphs.prefix(name)
        return {"loss": losses.pop("loss"), **{f"{prefix}{edge}": value.detach() for edge, value in losses.items()}}
