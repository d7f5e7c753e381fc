"""How long a training waits for its data."""

from __future__ import annotations

import time

from lightning.pytorch.profilers import Profiler


class Waiting(Profiler):
    """Counts the seconds in which the loop waits for the next batch; Lightning tells when.

    Attributes:
        seconds: so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self._since: float | None = None

    def start(self, action_name: str) -> None:
        """Begin to wait, if that is what begins."""
        if action_name.endswith(".train_dataloader_next"):
            self._since = time.perf_counter()

    def stop(self, action_name: str) -> None:
        """Wait no more."""
        if self._since is not None and action_name.endswith(".train_dataloader_next"):
            self.seconds, self._since = self.seconds + time.perf_counter() - self._since, None

    def summary(self) -> str:
        """Nothing to print."""
        return ""
