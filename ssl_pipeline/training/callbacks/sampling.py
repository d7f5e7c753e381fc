"""Lets a sampler look at the model between epochs."""

from __future__ import annotations

from typing import Any

import lightning as L

from ssl_pipeline.training.callbacks.base import graphs_of
from ssl_pipeline.training.micro_batches import ends_step
from ssl_pipeline.training.modes import evaluating, uncompiled
from ssl_pipeline.training.samplers import EpochSampler


class Sampling(L.Callback):
    """Updates an ``EpochSampler`` before the first step and after the last step of each epoch.

    The order changes before a checkpoint is written and before the loader is asked for the next epoch, so that the
    order of each epoch is a function of the seed and of the checkpoint before it. The time counts as training.

    Args:
        sampler: decides the order.
        batch_size: global batch.
    """

    def __init__(self, sampler: EpochSampler, batch_size: int) -> None:
        self.sampler, self.batch_size = sampler, batch_size

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Update before the first step of a new run."""
        self.sampler.start()
        if trainer.global_step == 0:
            self._update(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Update where an epoch ends."""
        steps = len(self.sampler.order) // self.batch_size
        if ends_step(trainer, batch_idx) and trainer.global_step % steps == 0:
            self._update(trainer, pl_module)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write what the sampler has to write."""
        self.sampler.finish(trainer.is_global_zero)

    def state_dict(self) -> dict[str, Any]:
        """The sampler's."""
        return self.sampler.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self.sampler.load_state_dict(state_dict)

    def _update(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        graph = graphs_of(pl_module).only
        with trainer.precision_plugin.forward_context(), evaluating(graph), uncompiled():
            values = dict(self.sampler.update(graph, trainer.global_step))
        for logger in trainer.loggers if values else ():
            logger.log_metrics(values, trainer.global_step)
