"""Metrics as one tidy file that only ever grows: step, name, value."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, TextIO

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only


class TidyCSV(Logger):
    """Appends to ``metrics.csv``; a run that stops anywhere has lost nothing, one that goes on keeps its past.

    Args:
        path: the file.
        keep: steps up to which an existing file is kept (those of the checkpoint that is resumed).
    """

    def __init__(self, path: Path, keep: int = 0) -> None:
        super().__init__()
        self.path = path
        self.keep = keep
        self._file: TextIO | None = None

    @property
    def name(self) -> str:
        """Lightning wants one."""
        return "metrics"

    @property
    def version(self) -> str:
        """Lightning wants one."""
        return ""

    @rank_zero_only
    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """The run's configuration is a file of its own."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """One row a value."""
        self._file = self._file or self._open()
        csv.writer(self._file).writerows([step, name, f"{value:.8g}"] for name, value in metrics.items())
        self._file.flush()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> TextIO:
        rows = [["step", "name", "value"]]
        if self.path.exists():
            with self.path.open(newline="") as old:
                rows += [row for row in csv.reader(old) if row and row[0].isdigit() and int(row[0]) <= self.keep]
        file = self.path.open("w", newline="")
        csv.writer(file).writerows(rows)
        self.keep = 2**62  # once open, all of it is this run's
        return file
