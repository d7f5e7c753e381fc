"""Writes the checkpoints of a run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint

from ssl_pipeline.training.callbacks.clock import Clock
from ssl_pipeline.training.micro_batches import count_micro_batches, ends_step
from ssl_pipeline.utils.checkpoints import replace


class Saver(Checkpoint):
    """Saves every few steps and after the last one, always inside the loop, so that Lightning goes on exactly there.

    Args:
        path: the checkpoint; see ``checkpoints.replace``.
        clock: the training's clock.
        every: steps between two.
        unreadable: what lies there cannot be read.
        epoch: steps of an epoch, where it has an end.
    """

    def __init__(
        self, path: Path, clock: Clock, every: int, unreadable: bool = False, epoch: int | None = None
    ) -> None:
        self.path, self.clock, self.every, self.unreadable, self.epoch = path, clock, every, unreadable, epoch

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Save where it is time."""
        if ends_step(trainer, batch_idx) and self.due(trainer):
            self._save(trainer)

    def on_load_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Let Lightning count the batches of a step as this sitting has them."""
        loop, inside = checkpoint["loops"]["fit_loop"], None
        moved = self.clock.ahead != checkpoint["callbacks"].get(self.clock.state_key, {}).get("ahead", 0)
        if moved and self.epoch is not None:
            ended = loop["epoch_loop.batch_progress"]["is_last_batch"]
            inside = self.epoch if ended else (checkpoint["global_step"] + self.clock.ahead) % self.epoch
        count_micro_batches(loop, trainer.accumulate_grad_batches, inside)

    def due(self, trainer: L.Trainer) -> bool:
        """After every few steps, and where the training ends."""
        return trainer.global_step % self.every == 0 or trainer.should_stop or self.clock.progress(trainer) >= 1

    def _save(self, trainer: L.Trainer) -> None:
        def write(path: Path) -> None:
            trainer.save_checkpoint(path)

        try:
            replace(self.path, write, mine=trainer.is_global_zero, unreadable=self.unreadable)
        except OSError as error:
            why = f"the checkpoint of step {trainer.global_step} could not be written ({error.strerror or error})"
            if not self.path.is_file():
                raise OSError(f"{why}, and there is none yet: make room, or take another folder") from error
            go_on = f"resume={os.path.relpath(trainer.default_root_dir)}"
            raise OSError(f"{why}; {self.path} is of an earlier step: make room, then go on with {go_on}") from error
        self.unreadable = False
