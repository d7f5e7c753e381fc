"""What the pipeline costs beyond its model: ``python scripts/bench_throughput.py data.root=/usr/share/datasets``.

Of each row the bare graph (forward, backward, clipping, optimiser, teacher, on views that were made before) and a whole
run (data, damages, logging, all callbacks of a default run but probes) train by turns in one process. A round's time of
a step is the median of its steps without the first ones; what is said of several rounds is their median and range.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from ssl_pipeline.config import compose
from ssl_pipeline.datasets import Data, train_loader
from ssl_pipeline.graph import Graph, Views
from ssl_pipeline.instantiate import instantiate
from ssl_pipeline.training import run
from ssl_pipeline.training.callbacks import memory_gb
from ssl_pipeline.training.graphs import maker
from ssl_pipeline.training.hardware import Hardware
from ssl_pipeline.training.module import PretrainModule

VIT = ["encoder=vit", "encoder.width=192", "encoder.depth=6", "encoder.heads=3"]
ROWS = {
    "mae, ViT 192 x 6": ["experiment=mae", *VIT],
    "simclr, small conv": ["experiment=simclr"],
    "simclr, ViT 192 x 6": ["experiment=simclr", *VIT],
    "dag, all views": ["experiment=dag"],
    "dag, 2 of 4 views": [
        "corruption=crop+crop-noise+crop-mask+crop-lowres",
        "objective=info_nce+reconstruct",
        "batch_size=128",
        "views_per_step=2",
    ],
}
WARM = 5
"""Steps at the start of a round that are not counted."""
COMMON = ["probe=none", "report.page=false", "trainer.max_epochs=-1", "trainer.enable_progress_bar=false"]


class Round(NamedTuple):
    """Seconds of a step."""

    bare: float
    whole: float
    damage: float
    wait: float


class Row:
    """One graph, trained in both ways.

    Args:
        words: overrides.
        steps: of a round.
    """

    def __init__(self, words: list[str], steps: int) -> None:
        self.config = compose([*words, *COMMON, f"trainer.max_steps={steps + WARM}"])
        self.steps = steps + WARM
        self.data: Data = instantiate(self.config["data"])
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.precision = Hardware(**{k: v for k, v in self.config["hardware"].items() if k != "_target_"})

    def round(self) -> Round:
        """Both, one after the other."""
        views, damage = self._views()
        bare = self._bare(views)
        whole, wait = self._whole()
        return Round(bare, whole, damage, wait)

    def _views(self) -> tuple[list[Views], float]:
        graph: Any = maker(self.config, self.data)().to(self.device)
        loader = train_loader(self.data.train, batch_size=self.config["batch_size"], seed=0)
        views, seconds = [], []
        for step, batch in zip(range(self.steps), loader, strict=False):
            batch = batch.on(self.device)
            began = self._now()
            views.append(graph.damage(batch, 0, step))
            seconds.append(self._now() - began)
        return views, statistics.median(seconds[WARM:])

    def _bare(self, views: list[Views]) -> float:
        graph: Any = maker(self.config, self.data)()
        graph = graph.to(self.device).train()
        optimizer = instantiate(self.config["optimizer"]).optimizer(graph, self.config["batch_size"])
        seconds, autocast = [], self.precision.resolved_precision == "bf16-mixed"
        for damaged in views:
            began = self._now()
            self._step(graph, damaged, optimizer, autocast)
            seconds.append(self._now() - began)
        return statistics.median(seconds[WARM:])

    def _step(self, graph: Graph, damaged: Views, optimizer: torch.optim.Optimizer, autocast: bool) -> None:
        optimizer.zero_grad()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=autocast):
            loss = graph(damaged)["loss"]
        loss.backward()
        nn.utils.clip_grad_norm_(graph.parameters(), self.config["trainer"]["gradient_clip_val"])
        optimizer.step()
        graph.follow(0.5)

    def _whole(self) -> tuple[float, float]:
        with tempfile.TemporaryDirectory() as folder, step_starts(self._now) as starts:
            summary = run(self.config, str(Path(folder) / "run"))
        step = statistics.median(b - a for a, b in zip(starts[WARM:], starts[WARM + 1 :], strict=False))
        return step, summary["data_wait"] * step

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


@contextmanager
def step_starts(now: Callable[[], float] = time.perf_counter) -> Iterator[list[float]]:
    """When each step of a run begins."""
    found: list[float] = []
    original = PretrainModule.training_step

    def step(self: PretrainModule, *args: Any) -> Any:
        found.append(now())
        return original(self, *args)

    PretrainModule.training_step = step
    try:
        yield found
    finally:
        PretrainModule.training_step = original


def line(name: str, size: int, rounds: list[Round], memory: float) -> str:
    """A row of the table."""
    ratios = [one.bare / one.whole for one in rounds]

    def rate(kind: str) -> str:
        rates = [size / getattr(one, kind) for one in rounds]
        return f"{statistics.median(rates):,.0f} ({min(rates):,.0f}-{max(rates):,.0f})"

    damage, wait = (statistics.median(getattr(o, kind) / o.whole for o in rounds) for kind in ("damage", "wait"))
    ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
    parts = f"{100 * damage:.0f} % | {100 * wait:.0f} %"
    return f"| {name} | {rate('bare')} | {rate('whole')} | {ratio} | {parts} | {memory:.2f} |"


def main() -> None:
    """Train all rows and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20, help="counted steps of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[], help="beginnings of rows")
    parser.add_argument("overrides", nargs="*", help="data.root=... hardware.precision=32-true ...")
    asked = parser.parse_args()
    chosen = {n: w for n, w in ROWS.items() if not asked.only or n.startswith(tuple(asked.only))}
    rows = {name: Row([*words, "data=fashion_mnist", *asked.overrides], asked.steps) for name, words in chosen.items()}
    print("| | bare, samples/s | whole, samples/s | bare / whole time | damages | waiting | memory, GB |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for name, row in rows.items():
        _forget_peak()
        with redirect_stdout(io.StringIO()):
            row.round()  # kernels are chosen
            rounds = [row.round() for _ in range(asked.rounds)]
        print(line(name, row.config["batch_size"], rounds, memory_gb(row.device)), flush=True)


def _forget_peak() -> None:
    """Count the most memory anew."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with suppress(OSError):  # Linux alone
        Path("/proc/self/clear_refs").write_text("5")


if __name__ == "__main__":
    main()
