"""How well the halves of every cut undo each other, as a table and a plot."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import torch

from ssl_pipeline.evaluation.cycles import Cycle, Pair, cycle_errors, translations
from ssl_pipeline.inference.dataset import data_of
from ssl_pipeline.inference.model import Model
from ssl_pipeline.report import markdown
from ssl_pipeline.report.pictures import figure, legend_below


@dataclass(frozen=True, repr=False)
class CycleTable:
    """Errors as shares of the variance; prints itself as tables.

    Args:
        cuts: at every cut.
        pairs: of every two views between which translators lead both ways.
        samples: that were measured.
        folder: of the files.
    """

    cuts: list[Cycle]
    pairs: list[Pair]
    samples: int
    folder: Path

    def write(self) -> None:
        """``cycles.csv`` and ``cycles.png``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in ("cycles.csv", "cycles.png"):
            (self.folder / name).unlink(missing_ok=True)  # nothing is written through a link
        with (self.folder / "cycles.csv").open("w", newline="") as file:
            csv.writer(file).writerows([Cycle._fields, *self.cuts])
        self._plot(self.folder / "cycles.png")

    def __str__(self) -> str:
        lines = [markdown.table_head("cut after", "numbers", "x to z to x", "z to x to z")]
        lines += [markdown.row(cut.at, f"{cut.numbers:,}", f"{cut.x:.4f}", f"{cut.z:.4f}") for cut in self.cuts]
        if self.pairs:
            lines += ["", markdown.table_head("a, b", "a to b to a", "b to a to b")]
            lines += [markdown.row(", ".join(p.views), f"{p.first:.4f}", f"{p.second:.4f}") for p in self.pairs]
        where = f"cycles.csv and cycles.png in {self.folder}"
        return "\n".join([*lines, "", f"errors as shares of the variance, {self.samples} samples; {where}"])

    __repr__ = __str__

    def _plot(self, file: Path) -> None:
        drawing = figure(1.5 + 0.8 * len(self.cuts), 4, file.name)
        axis = drawing.subplots()
        names = [cut.at for cut in self.cuts]
        axis.plot(names, [max(cut.x, 1e-6) for cut in self.cuts], "o-", label="x to z to x")
        axis.plot(names, [max(cut.z, 1e-6) for cut in self.cuts], "s--", label="z to x to z")
        axis.set_yscale("log")
        axis.set_ylabel("squared error / variance")
        axis.set_xlabel("cut after")
        axis.tick_params(axis="x", rotation=45)
        legend_below(axis)
        drawing.savefig(file, dpi=120)


def measure_cycles(model: Model, samples: int, folder: Path) -> CycleTable:
    """Of some held-out samples of the run's own data.

    Args:
        model: with both halves.
        samples: 2 at least.
        folder: of the files.
    """
    data = data_of(model)
    part = data.test or data.train
    batch = part[torch.arange(min(samples, len(part)))].on(model.device)  # pyright: ignore
    found = cycle_errors(model.graph, batch.x, batch.valid)
    pairs = [] if model.grid.discrete else translations(model.graph, batch)
    return CycleTable(found, pairs, len(batch.x), folder)
