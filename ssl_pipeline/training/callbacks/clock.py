"""How far a training is, by whichever bound is set."""

from __future__ import annotations

import time
from datetime import timedelta
from math import ceil
from typing import Any

import lightning as L

from ssl_pipeline.utils import distributed


class Clock(L.Callback):
    """Counts training seconds, probing excluded, and ends the training when they are up.

    Args:
        max_time: seconds; None for no such bound.

    Attributes:
        batch_size: of the steps of this sitting, over all devices.
        ahead: steps of that size that would have gone through as much data as all steps so far, less these; not 0 where
            a run goes on with another batch size.
    """

    def __init__(self, max_time: float | None = None) -> None:
        self.max_time = max_time
        self.seconds, self.batch_size, self.ahead = 0.0, 0, 0
        self._since: float | None = None
        self._measured = (-1, 0.0)  # step and progress

    def progress(self, trainer: L.Trainer) -> float:
        """From 0 to 1: the largest of the shares of steps, epochs and training seconds; the same on all ranks.

        Measured once after each step, so that all who ask between two steps hear the same.
        """
        if self._measured[0] != trainer.global_step:
            self._measured = trainer.global_step, self._progress(trainer)
        return self._measured[1]

    def stride(self, trainer: L.Trainer) -> float:
        """What a step adds to the progress: of a bound in seconds the mean of the steps so far, or a thousandth."""
        if bounds := self._steps(trainer):
            return 1 / min(steps for _, steps in bounds)
        return self.progress(trainer) / trainer.global_step if trainer.global_step else 1e-3

    def _progress(self, trainer: L.Trainer) -> float:
        shares = [0.0, *(done / steps for done, steps in self._steps(trainer))]
        if self.max_time is not None:
            shares.append(distributed.broadcast_float(self.elapsed() / self.max_time, trainer.strategy.root_device))
        return min(1.0, max(shares))

    def _steps(self, trainer: L.Trainer) -> list[tuple[int, int]]:
        """Steps so far and steps of the whole training, by each bound that tells them."""
        step = trainer.global_step
        bounds = [(step, trainer.max_steps)] if trainer.max_steps > 0 else []
        if trainer.max_epochs is not None and trainer.max_epochs > 0:
            epoch = ceil(trainer.num_training_batches / trainer.accumulate_grad_batches)
            bounds.append((step + self.ahead, trainer.max_epochs * epoch))
        return bounds

    def elapsed(self) -> float:
        """Training seconds so far, those of earlier sittings included."""
        return self.seconds + (0.0 if self._since is None else time.perf_counter() - self._since)

    def is_past(self, seconds: float) -> bool:
        """Whether a training of so many seconds is over."""
        return self.max_time is not None and seconds >= self.max_time

    def pause(self) -> None:
        """Stop counting; what follows is not training."""
        self.seconds, self._since = self.elapsed(), None

    def go_on(self) -> None:
        """Count again."""
        self._since = time.perf_counter()

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start."""
        self.go_on()

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Stop when the time is up, on all ranks in the same step."""
        if self.max_time is not None and self.progress(trainer) >= 1:
            trainer.should_stop = True

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop."""
        self.pause()

    def state_dict(self) -> dict[str, Any]:
        """Seconds so far, and what tells how much data the steps have gone through."""
        return {"seconds": self.elapsed(), "batch_size": self.batch_size, "ahead": self.ahead}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from those seconds."""
        self.seconds = state_dict["seconds"]


def seconds_of(max_time: str | dict | float | None) -> float | None:
    """Seconds of Lightning's ``DD:HH:MM:SS``, of a number of seconds, or None.

    Raises:
        ValueError: none of these, or no time at all.

    >>> seconds_of("00:00:02:00")
    120.0
    """
    if max_time is None:
        return None
    try:
        if isinstance(max_time, str):
            days, hours, minutes, seconds = (int(part) for part in max_time.split(":"))
            value = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()
        else:
            value = timedelta(**max_time).total_seconds() if isinstance(max_time, dict) else float(max_time)
    except (TypeError, ValueError):
        raise ValueError(f"trainer.max_time={max_time}: expected DD:HH:MM:SS, for example 00:00:02:00") from None
    if value <= 0:
        raise ValueError(f"trainer.max_time={max_time}: expected more than no time")
    return value
