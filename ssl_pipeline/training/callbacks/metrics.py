"""Losses, learning rate, speed and memory of a training, to every logger and on the screen."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import lightning as L
import torch
from torch import Tensor

from ssl_pipeline.training.callbacks.clock import Clock
from ssl_pipeline.training.micro_batches import ends_step, losses_of_step
from ssl_pipeline.training.profiler import Waiting

_MACHINE = ("lr", "samples_per_s", "data_wait", "memory_gb")
"""What is logged besides losses."""


def memory_gb(device: torch.device) -> float:
    """The most memory that this process has taken so far: of a CUDA device, or else of the machine; nan: unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    try:
        import resource
    except ModuleNotFoundError:  # not on Windows
        return float("nan")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in kilobytes, on macOS in bytes
    return most / (2**30 if sys.platform == "darwin" else 2**20)


class Metrics(L.Callback):
    """Losses and the highest learning rate to every logger, and a line on the screen at each tenth of the way.

    Args:
        clock: the training's clock.
        every: steps between two entries.
        batch_size: of a step, over all devices and micro-batches.
        lines: whether to print.
        turns: data sets that take turns; an entry holds the last losses of each.
        waiting: counts the time in which there is no data.
    """

    def __init__(
        self,
        clock: Clock,
        every: int,
        batch_size: int,
        lines: bool = True,
        turns: int = 1,
        waiting: Waiting | None = None,
    ) -> None:
        self.clock, self.every, self.batch_size, self.lines, self.turns = clock, every, batch_size, lines, turns
        self.waiting = waiting or Waiting()
        self._parts: list[Mapping[str, Any]] = []  # of the step that is not done
        self._latest: list[Mapping[str, Any]] = []
        self.loss = self.samples_per_s = self.data_wait = float("nan")
        self._began: tuple[int, float] | None = None
        self._printed = 0
        self._shown: dict[str, float] = {}  # in the last line

    def machine(self, device: torch.device) -> dict[str, float]:
        """Samples a second, the share of time spent waiting for data, and the most memory that was taken."""
        return {"samples_per_s": self.samples_per_s, "data_wait": self.data_wait, "memory_gb": memory_gb(device)}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Remember where this sitting began."""
        self._began, self.waiting.seconds = (trainer.global_step, self.clock.elapsed()), 0.0
        self._printed = int(10 * self.clock.progress(trainer))

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log now and then; reading a loss waits for the device."""
        self._parts.append(outputs)
        if not ends_step(trainer, batch_idx):
            return
        step, tenth = trainer.global_step, int(10 * self.clock.progress(trainer))
        self._latest, self._parts = [*self._latest, losses_of_step(self._parts)][-self.turns :], []
        if step % self.every and tenth == self._printed and not trainer.should_stop:
            return
        losses = {name: value for part in self._latest for name, value in part.items()}
        values = {name: float(value) for name, value in losses.items() if isinstance(value, Tensor)}
        self.loss = values["loss"] = sum(float(part["loss"]) for part in self._latest) / len(self._latest)
        start, since = self._began or (0, 0.0)
        seconds = max(self.clock.elapsed() - since, 1e-9)
        self.samples_per_s = (step - start) * self.batch_size / seconds
        self.data_wait = min(1.0, self.waiting.seconds / seconds)
        rates = (group["lr"] for group in trainer.optimizers[0].param_groups)
        values |= {"lr": max(rates), **self.machine(trainer.strategy.root_device)}
        for logger in trainer.loggers:
            logger.log_metrics(values, step)
        if tenth > self._printed:
            self._printed = tenth
            if self.lines and trainer.is_global_zero:
                shown = {k: v for k, v in values.items() if k not in _MACHINE and "/relaxation/" not in f"/{k}"}
                moved = {k: v for k, v in shown.items() if self._shown.get(k) != v or k == "loss"}  # constants once
                self._shown = shown
                parts = "  ".join(f"{k} {v:.4g}" for k, v in moved.items())
                print(f"{10 * tenth:3d} %  step {step}  {parts}  {self.samples_per_s:,.0f} samples/s", flush=True)
