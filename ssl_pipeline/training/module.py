"""The graph as a Lightning module."""

from __future__ import annotations

import lightning as L
import torch
from torch import Tensor
from torch.optim import Optimizer

from ssl_pipeline import distributed
from ssl_pipeline.graph import Graph
from ssl_pipeline.optim import Recipe
from ssl_pipeline.records import Batch
from ssl_pipeline.seeding import seed_of
from ssl_pipeline.training.clock import Clock


class PretrainModule(L.LightningModule):
    """Damages each batch on its device and minimises the graph's loss.

    Args:
        graph: what is trained.
        recipe: optimiser and schedule.
        clock: knows the progress that the schedule follows.
        batch_size: global batch.
        seed: of every random number in training.
    """

    def __init__(self, graph: Graph, recipe: Recipe, clock: Clock, batch_size: int, seed: int) -> None:
        super().__init__()
        self.graph = graph
        self.recipe, self.clock, self.batch_size, self.seed = recipe, clock, batch_size, seed

    def configure_optimizers(self) -> Optimizer:
        """The recipe's optimiser."""
        return self.recipe.optimizer(self.graph, self.batch_size)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Set the learning rate by progress."""
        rate = self.recipe.rate(self.clock.progress(self.trainer)) * self.recipe.peak(self.batch_size)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = rate * group.get("lr_scale", 1.0)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Energies of a batch; every random number follows from (seed, step, rank)."""
        step, rank = self.trainer.global_step, distributed.rank()
        torch.manual_seed(seed_of(self.seed, step, rank, "model"))
        energies = self.graph(self.graph.damage(batch, self.seed, step, rank))
        return {name: value if name == "loss" else value.detach() for name, value in energies.items()}
