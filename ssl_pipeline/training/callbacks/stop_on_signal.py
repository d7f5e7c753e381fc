"""Ends a training on a signal, so that it can be resumed exactly."""

from __future__ import annotations

import sys
import time
from typing import Any

import lightning as L

from ssl_pipeline.training.micro_batches import ends_step
from ssl_pipeline.training.signals import SIGNALS, call_on_signals, handlers
from ssl_pipeline.utils import distributed

_ASKED = 8
"""Steps, each shorter than a second, between two questions to all ranks whether a signal has come: they wait for it."""


class StopOnSignal(L.Callback):
    """SIGINT, SIGTERM or SIGUSR1 ends the training after its step, to be resumed exactly; a second one at once.

    Several processes end together, after a few steps where these are short.

    Attributes:
        number: of the signal that ends the training, to whichever rank it has come; 0 for none.
        heard: number of the signal that has come to this process, also behind the last step.
    """

    def __init__(self) -> None:
        self.number = self.heard = 0
        self._every, self._asked = 1, 0.0
        self._before = handlers()  # Lightning, which has its own, leaves them behind where others were set meanwhile

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Listen."""
        world = trainer.world_size

        def stop(number: int, frame: Any) -> None:
            if self.heard:
                raise KeyboardInterrupt
            self.heard = number
            after = "this step" if world == 1 else "a few steps"
            print(f"\nstopping after {after} (again: at once)", file=sys.stderr, flush=True)

        call_on_signals(dict.fromkeys(SIGNALS, stop))

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop where some rank was asked to, all in the same step."""
        if not ends_step(trainer, batch_idx):
            return
        device = trainer.strategy.root_device
        if trainer.world_size > 1:
            if trainer.global_step % self._every:
                return
            before, self._asked = self._asked, time.perf_counter()
            slow = self._asked - before > self._every
            self._every = 1 if distributed.any_rank(slow, device) else _ASKED
        self.number = distributed.largest(self.heard, device)
        if self.number:
            trainer.should_stop = True

    def restore(self) -> None:
        """Leave the signal as it was; Lightning calls no hook for this where a training fails."""
        call_on_signals(self._before)
