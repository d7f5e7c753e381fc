"""A table and a plot of how well halves and translators undo each other."""

from __future__ import annotations

import csv
from pathlib import Path

import torch
from matplotlib.figure import Figure

from ssl_pipeline.cli.commands.arguments import writable
from ssl_pipeline.cli.commands.dataset import data_of
from ssl_pipeline.cli.commands.files import device_of
from ssl_pipeline.evaluation.cycles import Cycle, cycle_errors, translations
from ssl_pipeline.inference.load import load
from ssl_pipeline.report import markdown


def cycles(
    run: Path,
    samples: int = 500,
    out: Path | None = None,
    device: str = "auto",
    set: str | None = None,
    trust: tuple[str, ...] = (),
) -> None:
    """Cut a graph at every place: errors of samples through both halves and back, and of what passes the cut.

    Prints tables and writes ``cycles.csv`` and ``cycles.png``; of runs with translators between two views also their
    errors there and back.

    Args:
        run: the run's folder.
        samples: test samples (of training ones, where there are no others), 2 at least.
        out: folder of the files; by default the run's.
        device: cpu, cuda ... or auto.
        set: name of the data set, of a run on several.
        trust: packages of your own whose classes the run may name, with commas between them.
    """
    if samples < 2:
        raise ValueError(f"samples={samples}: expected at least 2, for errors are shares of the variance between them")
    folder = writable(out or run)
    model = load(run, set, trust=trust).to(device_of(device))
    if model.held is not None:
        raise ValueError(f"{run} holds one exported part alone, and a cycle needs both halves: name the run's folder")
    data = data_of(model, [])
    part = data.test or data.train
    batch = part[torch.arange(min(samples, len(part)))].on(model.device)  # pyright: ignore
    found = cycle_errors(model.graph, batch.x, batch.valid)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "cycles.csv").open("w", newline="") as file:
        csv.writer(file).writerows([Cycle._fields, *found])
    _plot(found, folder / "cycles.png")
    print(markdown.head("cut after", "numbers", "x to z to x", "z to x to z"))
    for cut in found:
        print(markdown.row(cut.at, f"{cut.numbers:,}", f"{cut.x:.4f}", f"{cut.z:.4f}"))
    pairs = [] if model.grid.discrete else translations(model.graph, batch)
    if pairs:
        print("\n" + markdown.head("a, b", "a to b to a", "b to a to b"))
        for pair in pairs:
            print(markdown.row(", ".join(pair.views), f"{pair.first:.4f}", f"{pair.second:.4f}"))
    print(f"\nerrors as shares of the variance, {len(batch.x)} samples; cycles.csv and cycles.png in {folder}")


def _plot(found: list[Cycle], file: Path) -> None:
    figure = Figure(figsize=(1.5 + 0.8 * len(found), 4), layout="constrained")
    axis = figure.subplots()
    names = [cut.at for cut in found]
    axis.plot(names, [max(cut.x, 1e-6) for cut in found], "o-", label="x to z to x")
    axis.plot(names, [max(cut.z, 1e-6) for cut in found], "s--", label="z to x to z")
    axis.set_yscale("log")
    axis.set_ylabel("squared error / variance")
    axis.set_xlabel("cut after")
    axis.tick_params(axis="x", rotation=45)
    axis.legend()
    figure.savefig(file, dpi=120)
