"""What the pipeline costs beyond its model: ``scripts/bench_throughput.py data=fashion_mnist data.root=FOLDER``.

Of each row the bare graph (forward, backward, clipping, optimiser, teacher, on views that were made before) and a whole
run (data, corruptions, logging, callbacks of a default run but probes) train by turns in one process. A round's time of
a step is the median of its steps without the first ones; what is said of several rounds is their median and range.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import torch
from torch import nn

from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import build_data, train_loader
from ssl_pipeline.graph.builder import GraphFactory
from ssl_pipeline.graph.graph import Views
from ssl_pipeline.optim.rules import make_recipe
from ssl_pipeline.report import markdown
from ssl_pipeline.training import run
from ssl_pipeline.training.callbacks.metrics import memory_gb
from ssl_pipeline.training.graphs import graph_maker
from ssl_pipeline.training.hardware import Hardware
from ssl_pipeline.training.module import PretrainModule

VIT = ["encoder=vit", "encoder.width=192", "encoder.depth=6", "encoder.heads=3"]
ROWS = {
    "mae, ViT 192 x 6": ["experiment=mae", *VIT],
    "simclr, small conv": ["experiment=simclr"],
    "simclr, ViT 192 x 6": ["experiment=simclr", *VIT],
    "dag": ["experiment=dag"],
}
SHORT = {"bf16-mixed": "bf16", "32-true": "fp32"}
WARM = 5
"""Steps at the start of a round that are not counted."""
COMMON = ["probe=none", "report.page=false", "trainer.max_epochs=-1", "trainer.enable_progress_bar=false"]


class Round(NamedTuple):
    """Seconds of a step, and of its parts."""

    whole: float
    waiting: float
    corruptions: float
    forward: float
    backward: float
    optimiser: float
    bare: float  # without data, corruptions, logging and callbacks

    def shares(self) -> list[float]:
        """Of the whole step: corruptions, forward, backward, optimiser, waiting, and the rest."""
        parts = [self.corruptions, self.forward, self.backward, self.optimiser, self.waiting]
        return [part / self.whole for part in (*parts, self.whole - sum(parts))]


class Row:
    """One graph, trained in both ways.

    Args:
        words: overrides.
        steps: of a round.
    """

    def __init__(self, words: list[str], steps: int) -> None:
        self.config = compose([*words, *COMMON, f"trainer.max_steps={steps + WARM}"])
        self.steps = steps + WARM
        self.sets = build_data(self.config["data"])
        self.make = graph_maker(GraphFactory(self.config), self.sets, self.config["seed"])
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.precision = Hardware(**self.config["hardware"])

    def round(self) -> Round:
        """Both, one after the other."""
        views, corruptions = self._views()
        forward, backward, optimiser = self._bare(views, apart=True)
        (bare,) = self._bare(views, apart=False)
        whole, waiting = self._whole()
        return Round(whole, waiting, corruptions, forward, backward, optimiser, bare)

    def _views(self) -> tuple[list[Views], float]:
        graph = self.make().only.to(self.device)
        loader = train_loader(self.sets.train, batch_size=self.config["batch_size"], seed=0)
        views, seconds = [], []
        for step, batch in zip(range(self.steps), loader, strict=False):
            batch = batch.on(self.device)
            began = now()
            views.append(graph.corrupt(batch, 0, step))
            seconds.append(now() - began)
        return views, statistics.median(seconds[WARM:])

    def _bare(self, views: list[Views], apart: bool) -> list[float]:
        """Medians of forward, backward and the rest, for each of which a GPU is waited for, or of all together."""
        graph = self.make().only.to(self.device).train()
        optimizer = make_recipe(self.config["optimizer"]).optimizer(graph, self.config["batch_size"])
        autocast, seconds = self.precision.resolved_precision == "bf16-mixed", []
        for corrupted in views:
            times = [now()]
            optimizer.zero_grad()
            with torch.autocast(self.device.type, torch.bfloat16, enabled=autocast):
                loss = graph(corrupted)["loss"]
            times += [now()] if apart else []
            loss.backward()
            times += [now()] if apart else []
            nn.utils.clip_grad_norm_(graph.parameters(), self.config["trainer"]["gradient_clip_val"])
            optimizer.step()
            graph.follow(0.5)
            times.append(now())
            seconds.append([b - a for a, b in pairwise(times)])
        return [statistics.median(part) for part in zip(*seconds[WARM:], strict=True)]

    def _whole(self) -> tuple[float, float]:
        with tempfile.TemporaryDirectory() as folder, step_starts() as starts:
            summary = run(self.config, str(Path(folder) / "run"))
        step = statistics.median(b - a for a, b in zip(starts[WARM:], starts[WARM + 1 :], strict=False))
        return step, summary["data_wait"] * step


def now() -> float:
    """The time when all that was asked for is done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


@contextmanager
def step_starts() -> Iterator[list[float]]:
    """When each step of a run begins."""
    found: list[float] = []
    original = PretrainModule.training_step

    def step(self: PretrainModule, *args: Any) -> Any:
        found.append(now())
        return original(self, *args)

    with mock.patch.object(PretrainModule, "training_step", step):
        yield found


def spread(values: list[float], form: str = ",.0f") -> str:
    """Median and range."""
    return f"{statistics.median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


def line(name: str, size: int, rounds: list[Round], memory: float) -> str:
    """A row of the table."""
    ratios = [one.bare / one.whole for one in rounds]

    bare, whole = (spread([size / getattr(one, way) for one in rounds]) for way in ("bare", "whole"))
    shares = zip(*(one.shares() for one in rounds), strict=True)
    parts = (f"{100 * statistics.median(share):.0f} %" for share in shares)
    return markdown.row(name, bare, whole, spread(ratios, ".2f"), *parts, f"{memory:.2f}")


def main() -> None:
    """Train all rows and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20, help="counted steps of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[], help="beginnings of rows")
    parser.add_argument("--precision", nargs="*", default=["bf16-mixed", "32-true"])
    parser.add_argument("overrides", nargs="*", help="of train.py, the same for all: data=... batch_size=256")
    asked = parser.parse_args()
    chosen = {n: w for n, w in ROWS.items() if not asked.only or n.startswith(tuple(asked.only))}
    parts = "corruptions", "forward", "backward", "optimiser", "waiting", "rest"
    columns = "bare, samples/s", "whole, samples/s", "whole / bare", *parts, "memory, GB"
    print(markdown.table_head("", *columns), flush=True)
    for precision in asked.precision:
        for name, words in chosen.items():
            shared = [f"hardware.precision={precision}", *asked.overrides]
            row = Row([*words, *shared], asked.steps)
            _forget_peak()
            with redirect_stdout(io.StringIO()):
                row.round()  # kernels are chosen
                rounds = [row.round() for _ in range(asked.rounds)]
            memory = memory_gb(row.device)
            print(
                line(f"{name}, {SHORT.get(precision, precision)}", row.config["batch_size"], rounds, memory), flush=True
            )


def _forget_peak() -> None:
    """Count the most memory anew."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with suppress(OSError):  # Linux alone
        Path("/proc/self/clear_refs").write_text("5")


if __name__ == "__main__":
    main()
