"""Three libraries in turn, with the same model, batch, precision and time, on grey images.

python scripts/bench_peers.py data=fashion_mnist data.root=FOLDER

Needs the extra ``bench`` (pip install -e '.[bench]'). lightly and stable-pretraining run as their examples are wired:
their own views, losses and loaders, in Lightning, without probes and checkpoints; stable-pretraining makes its views
of whole batches on the device (kornia). The recipe is ours for all: views of the same strength, AdamW, warm-up and
cosine. ``--seconds 120`` trains each for so long, the rate following the clock, and measures all by
protocol P1, raw pixels and untrained encoders, too. The masked autoencoders of the others also crop and mirror, as
their examples do; ours masks alone.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import argparse
import io
import logging
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path

import torch
from bench_throughput import VIT, spread, step_starts
from peers_job import WARM, Bound, Job, Outcome, rate
from peers_lightly import lightly
from peers_stable import stable

from ssl_pipeline.config.compose import compose
from ssl_pipeline.evaluation import P1
from ssl_pipeline.report import markdown
from ssl_pipeline.structures.batch import as_float
from ssl_pipeline.training import run

MODELS = {
    "simclr, small conv": ["experiment=simclr"],
    "simclr, ViT 192 x 6": ["experiment=simclr", *VIT],
    "mae, ViT 192 x 6": ["experiment=mae", *VIT, "encoder.pool=1"],
}


def ours(job: Job, bound: Bound) -> Outcome:
    """The whole pipeline with its default callbacks; probes only after a training by the clock."""
    probed = ["probe.online=0", "probe.budget=null", "probe.protocol.few_shot=0"] if bound.seconds else ["probe=none"]
    limit = "null" if bound.seconds is None else time.strftime("00:%H:%M:%S", time.gmtime(bound.seconds))
    words = [f"trainer.max_steps={bound.steps}", "trainer.max_epochs=-1", f"trainer.max_time={limit}"]
    config = compose([*job.words, *probed, *words, "trainer.enable_progress_bar=false", "report.page=false"])
    with tempfile.TemporaryDirectory() as folder, step_starts() as starts:
        summary = run(config, str(Path(folder) / "run"))
    return Outcome(rate(starts, job.batch), summary["steps"], None, summary)


LIBRARIES: dict[str, Callable[[Job, Bound], Outcome]] = {"ours": ours, "lightly": lightly, "stable-pretraining": stable}


def scores(job: Job, outcome: Outcome) -> Mapping[str, float]:
    """kNN and linear of the frozen encoder."""
    if outcome.embed is None:
        return outcome.scores
    embed, protocol = outcome.embed, P1(few_shot=0)
    mean, std = job.mean[0], job.std[0]
    return protocol.score(protocol.features(lambda b: embed((as_float(b.x, job.data.grid) - mean) / std), job.data))


def speeds(job: Job, libraries: list[str], steps: int, rounds: int) -> dict[str, list[float]]:
    """Samples a second of each library, in turn, so many times."""
    found: dict[str, list[float]] = {name: [] for name in libraries}
    for _ in range(rounds):
        for name in libraries:
            found[name].append(_quietly(LIBRARIES[name], job, Bound(steps + WARM)).samples_per_s)
    return found


def _alone() -> None:
    """Take back the callbacks that stable-pretraining, once installed, adds to every trainer of Lightning's."""
    with suppress(ModuleNotFoundError):
        import stable_pretraining as spt
        from stable_pretraining.callbacks.factories import _DEFAULT_CALLBACK_REGISTRY as added

        spt.set(verbose="error")
        added.clear()  # its setting knows of some of them only


def _quietly(train: Callable[[Job, Bound], Outcome], job: Job, bound: Bound) -> Outcome:
    torch.manual_seed(0)
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            return train(job, bound)
    finally:
        logging.disable(logging.NOTSET)


def main() -> None:
    """Measure, and print a table of speeds and, if asked for, one of accuracies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=30, help="counted steps of a round")
    parser.add_argument("--rounds", type=int, default=3, help="of speeds; 0: none")
    parser.add_argument("--seconds", type=float, default=0, help="of training before the probe; 0: speeds alone")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument(
        "--workers", type=int, default=0, help="processes in which lightly makes its views; on two cores they cost"
    )
    parser.add_argument("--only", nargs="*", default=[], help="beginnings of models")
    parser.add_argument("--libraries", nargs="*", default=[*LIBRARIES], choices=[*LIBRARIES])
    parser.add_argument(
        "overrides", nargs="*", help="of train.py, the same for all: data=... hardware.precision=32-true"
    )
    asked = parser.parse_args()
    chosen = {n: w for n, w in MODELS.items() if not asked.only or n.startswith(tuple(asked.only))}
    shared = [f"batch_size={asked.batch}", *asked.overrides]
    if asked.rounds:
        print(markdown.table_head("samples/s", *asked.libraries), flush=True)
    _alone()
    jobs = {name: Job([*words, *shared], asked.workers) for name, words in chosen.items()}
    for model, job in jobs.items() if asked.rounds else ():
        found = speeds(job, asked.libraries, asked.steps, asked.rounds)
        print(markdown.row(model, *map(spread, found.values())), flush=True)
    if "ours" in asked.libraries and (not asked.only or "fast" in asked.only):
        jobs["fast"] = Job(["experiment=fast", *asked.overrides], asked.workers)
    if asked.seconds:
        accuracies(jobs, asked.libraries, Bound(seconds=asked.seconds))


def accuracies(jobs: Mapping[str, Job], libraries: list[str], bound: Bound) -> None:
    """Train by the clock, probe, and print a table."""
    print(
        "\n" + markdown.table_head(f"{bound.seconds:.0f} s", "library", "steps", "samples/s", "kNN-20", "linear"),
        flush=True,
    )

    def line(*cells: str, of: Mapping[str, float], kind: str = "") -> None:
        found = [f"{of[key + kind]:.1f}" for key in ("knn", "linear")]
        print(markdown.row(*cells, *found), flush=True)

    for model, job in jobs.items():
        for name in libraries if model in MODELS else ["ours"]:
            outcome = _quietly(LIBRARIES[name], job, bound)
            found = scores(job, outcome)
            line(model, name, f"{outcome.steps:,}", f"{outcome.samples_per_s:,.0f}", of=found)
            for kind in ("raw", "untrained"):
                if f"knn_{kind}" in found:
                    line(model, kind, "", "", of=found, kind=f"_{kind}")


if __name__ == "__main__":
    main()
