"""Probes during training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning as L

from ssl_pipeline.training.callbacks.clock import Clock
from ssl_pipeline.training.fsdp import UnshardedCopy
from ssl_pipeline.training.micro_batches import ends_step


class OnlineProbe(L.Callback):
    """Scores the encoder on the way, with the clock stopped.

    Args:
        clock: the training's clock.
        score: gives the scores of the encoder as it is.
        baselines: gives those of the raw input and the untrained encoder; called once.
        times: how many probes between start and end, equally spaced in progress.
        whole: has the weights that are scored.
        prefix: of the names of its numbers.
    """

    def __init__(
        self,
        clock: Clock,
        score: Callable[[], dict[str, float]],
        baselines: Callable[[], dict[str, dict[str, float]]],
        times: int,
        whole: UnshardedCopy,
        prefix: str = "",
    ) -> None:
        self.clock, self.score, self.baselines, self.times, self.whole = clock, score, baselines, times, whole
        self.prefix = prefix
        self._base_scores: dict[str, dict[str, float]] | None = None
        self._done = 0

    @property
    def state_key(self) -> str:
        """Lightning keeps callbacks of one class apart by it."""
        return f"OnlineProbe {self.prefix}"

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Leave out the probes that an earlier sitting has done."""
        self._done = self._due(trainer)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Probe on rank 0 when it is time."""
        if not ends_step(trainer, batch_idx) or self._due(trainer) == self._done or trainer.should_stop:
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
            print(f"       online probe  {self.prefix}{self._with_baselines(scores)}", flush=True)

    def _with_baselines(self, scores: dict[str, float]) -> str:
        if self._base_scores is None:
            self._base_scores = self.baselines()
        parts = []
        for name, value in scores.items():
            others = {base: found[name] for base, found in self._base_scores.items() if name in found}
            shown = ", ".join(f"{base} {score:.1f}" for base, score in others.items())
            parts.append(f"{name} {value:.1f}" + (f" ({shown})" if shown else ""))
        return "  ".join(parts)

    def _due(self, trainer: L.Trainer) -> int:
        return min(self.times, int(self.clock.progress(trainer) * (self.times + 1)))
