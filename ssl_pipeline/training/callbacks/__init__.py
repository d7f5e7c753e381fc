"""What watches a training: metrics, probes, and the wish to stop."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint
from torch import Tensor

from ssl_pipeline.training.callbacks.clock import Clock
from ssl_pipeline.training.fsdp import UnshardedCopy
from ssl_pipeline.training.profiler import Waiting
from ssl_pipeline.utils import distributed
from ssl_pipeline.utils.checkpoints import replace

MACHINE = ("lr", "samples_per_s", "data_wait", "memory_gb")
"""What is logged besides energies."""


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
        batch_size: global batch.
        lines: whether to print.
        turns: data sets that take turns; an entry holds the last energies of each.
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
        self._latest: list[dict[str, Any]] = []
        self.loss = self.samples_per_s = self.data_wait = float("nan")
        self._began: tuple[int, float] | None = None
        self._printed = 0

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
        step, tenth = trainer.global_step, int(10 * self.clock.progress(trainer))
        self._latest = [*self._latest, outputs][-self.turns :]
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
                shown = {k: v for k, v in values.items() if k not in MACHINE and "/relaxation/" not in f"/{k}"}
                parts = "  ".join(f"{k} {v:.4g}" for k, v in shown.items())
                print(f"{10 * tenth:3d} %  step {step}  {parts}  {self.samples_per_s:,.0f} samples/s", flush=True)


class OnlineProbe(L.Callback):
    """Scores the encoder on the way, with the clock stopped.

    Args:
        clock: the training's clock.
        score: gives the scores of the encoder as it is.
        baselines: gives those of the raw input and the untrained encoder; called once.
        times: how many probes between start and end, equally spaced in progress.
        whole: has the weights that are scored.
        name: of the data set, where there are several.
    """

    def __init__(
        self,
        clock: Clock,
        score: Callable[[], dict[str, float]],
        baselines: Callable[[], dict[str, dict[str, float]]],
        times: int,
        whole: UnshardedCopy,
        name: str = "",
    ) -> None:
        self.clock, self.score, self.baselines, self.times, self.whole = clock, score, baselines, times, whole
        self.prefix = f"{name}/" if name else ""
        self._beside: dict[str, dict[str, float]] | None = None
        self._done = 0

    @property
    def state_key(self) -> str:
        """Lightning keeps callbacks of one class apart by it."""
        return f"OnlineProbe {self.prefix}"

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Leave out the probes that an earlier sitting has done."""
        self._done = self._due(trainer)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        """Probe on rank 0 when it is time."""
        if self._due(trainer) == self._done or trainer.should_stop:
            return
        self._done = self._due(trainer)
        self.clock.pause()
        with self.whole.taken(trainer):
            if trainer.is_global_zero:
                self._log(trainer, self.score())
        trainer.strategy.barrier()
        pl_module.train()
        self.clock.go_on()

    def _log(self, trainer: L.Trainer, scores: dict[str, float]) -> None:
        for logger in trainer.loggers:
            logger.log_metrics(
                {f"{self.prefix}online/{name}": value for name, value in scores.items()}, trainer.global_step
            )
        if scores:
            print(f"       online probe  {self.prefix}{self._beside_baselines(scores)}", flush=True)

    def _beside_baselines(self, scores: dict[str, float]) -> str:
        if self._beside is None:
            self._beside = self.baselines()
        parts = []
        for name, value in scores.items():
            others = ", ".join(f"{base} {found[name]:.1f}" for base, found in self._beside.items() if name in found)
            parts.append(f"{name} {value:.1f}" + (f" ({others})" if others else ""))
        return "  ".join(parts)

    def _due(self, trainer: L.Trainer) -> int:
        return min(self.times, int(self.clock.progress(trainer) * (self.times + 1)))


SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)]
"""Ctrl-C, the end of a job, and the warning of it that a scheduler can be asked to send."""


ASKED = 8
"""Steps, each shorter than a second, between two questions to all ranks whether a signal has come: they wait for it."""


class StopOnSignal(L.Callback):
    """Each of ``SIGNALS`` ends the training after its step, to be resumed exactly; a second one at once.

    Several processes end together, after a few steps where these are short.

    Attributes:
        number: of the signal that ends the training, to whichever rank it has come.
    """

    def __init__(self) -> None:
        self.number = self._heard = 0
        self._every, self._asked = 1, 0.0
        self._before: dict[int, Any] = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Listen."""
        world = trainer.world_size

        def stop(number: int, frame: Any) -> None:
            if self._heard:
                raise KeyboardInterrupt
            self._heard = number
            after = "this step" if world == 1 else "a few steps"
            print(f"\nstopping after {after} (again: at once)", file=sys.stderr, flush=True)

        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, stop) for number in SIGNALS}

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Stop where some rank was asked to, all in the same step."""
        device = trainer.strategy.root_device
        if trainer.world_size > 1:
            if trainer.global_step % self._every:
                return
            before, self._asked = self._asked, time.perf_counter()
            slow = self._asked - before > self._every
            self._every = 1 if distributed.any_rank(slow, device) else ASKED
        self.number = distributed.largest(self._heard, device)
        if self.number:
            trainer.should_stop = True

    def restore(self) -> None:
        """Leave the signal as it was; Lightning calls no hook for this where a training fails."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}


class Saver(Checkpoint):
    """Saves every few steps and after the last one, always inside the loop, so that Lightning goes on exactly there.

    Args:
        path: the checkpoint; see ``checkpoints.replace``.
        clock: the training's clock.
        every: steps between two.
        damaged: what lies there cannot be read.
    """

    def __init__(self, path: Path, clock: Clock, every: int, damaged: bool = False) -> None:
        self.path, self.clock, self.every, self.damaged = path, clock, every, damaged

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Save where it is time."""
        if self.due(trainer):
            self._save(trainer)

    def due(self, trainer: L.Trainer) -> bool:
        """After every few steps, and where the training ends."""
        return trainer.global_step % self.every == 0 or trainer.should_stop or self.clock.progress(trainer) >= 1

    def _save(self, trainer: L.Trainer) -> None:
        def write(path: Path) -> None:
            trainer.save_checkpoint(path, weights_only=False)  # with optimiser and loops; reading takes tensors alone

        try:
            replace(self.path, write, mine=trainer.is_global_zero, damaged=self.damaged)
        except OSError as error:
            why = f"the checkpoint of step {trainer.global_step} could not be written ({error.strerror or error})"
            if not self.path.is_file():
                raise OSError(f"{why}, and there is none yet: make room, or take another folder") from error
            go_on = f"resume={os.path.relpath(trainer.default_root_dir)}"
            raise OSError(f"{why}; {self.path} is of an earlier step: make room, then go on with {go_on}") from error
        self.damaged = False
