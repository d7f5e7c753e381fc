"""Does a model that chooses its data leave junk aside (M35), and does it know what it has not seen (M36)?

    python scripts/probe_curation.py junk OUTPUT data=digits experiments=mae,simclr steps=500 seeds=0,1,2
    python scripts/probe_curation.py novelty data=fashion_mnist experiments=mae,simclr steps=300 held=8,9

Further options: samples=N (images that are taken), every=N (epochs of a round), root=FOLDER (of Fashion-MNIST), and
curation.NAME=VALUE, as in training.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from ssl_pipeline.config.build import build_part
from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import Data, EpochOrder, Subset, junk
from ssl_pipeline.data.sampling import batch_indices
from ssl_pipeline.evaluation.frozen_features import embedder, features
from ssl_pipeline.graph.builder import GraphFactory
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.lab.curation import novelty
from ssl_pipeline.report.markdown import row, table_head
from ssl_pipeline.training import run
from ssl_pipeline.training.graphs import data_spec

KINDS = {
    "no junk": ["data.share=0"],
    "junk, uniform": [],
    "junk, curated": ["sampler=learnability"],
}
SEEN = 4000
"""Training samples that a sample is compared with, at most."""


class Novel(NamedTuple):
    """How new some kinds of samples are to a model."""

    auroc: float  # of unseen classes against held-out samples of the known ones
    known: float  # mean over held-out samples of the known classes
    unseen: float  # mean over the classes that were left out
    revisited: float  # the same, once they are among what was seen
    noise: float  # mean over fresh noise, of which training showed some


def curated(
    name: str, kind: str, seed: int, steps: int, folder: Path, more: Sequence[str] = ()
) -> tuple[dict[str, Any], list[float]]:
    """Summary of one run, made unless it is there, and the share of junk in the draws of each round."""
    file = folder / f"{name}-{kind.replace(', ', '_').replace(' ', '_')}-{seed}"
    if not (file / "summary.json").is_file() or json.loads((file / "summary.json").read_text())["interrupted"]:
        options = [f"experiment={name}", "data=junk", *KINDS[kind], f"seed={seed}", f"trainer.max_steps={steps}", *more]
        options += ["probe.baselines=false", "probe.budget=null", "report.page=false", "diagnostics.every=0"]
        options = [o for o in options if kind == "junk, curated" or not o.startswith("sampler.")]
        run(compose(options), str(file))
    rows = [*csv.DictReader((file / "curation.csv").open())] if (file / "curation.csv").is_file() else []
    shares = [float(one["value"]) for one in rows if one["name"] == "junk_share"]
    return json.loads((file / "summary.json").read_text()), shares


def known_and_junk(data: Data, held: Sequence[int], samples: int | None) -> Data:
    """A set whose training part lacks some classes, and has junk instead."""
    labels: Tensor = data.train.labels  # pyright: ignore
    kept = (~torch.isin(labels, torch.tensor(held))).nonzero().flatten()[:samples]
    return junk(replace(data, train=Subset(data.train, kept)))  # pyright: ignore


def trained(name: str, data: Data, steps: int, seed: int, more: Sequence[str] = ()) -> Graph:
    """The graph of an experiment after some steps on a data set, by a plain loop."""
    config = compose([f"experiment={name}", *more])
    torch.manual_seed(seed)
    graph = GraphFactory(config).build(data_spec(data))
    order, size = EpochOrder(data.train.sources, seed), config["batch_size"]  # pyright: ignore
    optimizer = torch.optim.AdamW(graph.parameters(), lr=config["optimizer"]["lr"] / 2, weight_decay=0.05)
    for step in range(steps):
        batch = data.train[batch_indices(order, size, step)]  # pyright: ignore
        optimizer.zero_grad()
        graph(graph.corrupt(batch, seed, step))["loss"].backward()
        optimizer.step()
        graph.follow(step / steps)
    return graph.eval()


def novel(graph: Graph, data: Data, held: Sequence[int], k: int = 10) -> Novel:
    """What is new to a model that was trained on ``known_and_junk``; ``data.test`` has all classes."""
    assert data.test is not None
    embed = embedder(graph)
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))  # pyright: ignore
    seen = torch.as_tensor(features(embed, Subset(data.train, order[:SEEN])).z)  # pyright: ignore
    test = features(embed, data.test, 2000)
    z, new = torch.as_tensor(test.z), torch.isin(torch.as_tensor(test.label), torch.tensor(held))
    fresh = junk(replace(data, train=data.clean), share=0.1, kinds=["noise"], seed=1)  # pyright: ignore
    noise = features(embed, Subset(fresh.train, fresh.junk.nonzero().flatten()[:500]))  # pyright: ignore
    found = novelty(z, seen, k)
    again = novelty(z[new], torch.cat([seen, z[new]]), k)
    return Novel(
        float(roc_auc_score(new.numpy(), found.numpy())),
        float(found[~new].mean()),
        float(found[new].mean()),
        float(again.mean()),
        float(novelty(torch.as_tensor(noise.z), seen, k).mean()),
    )


def main(arguments: Sequence[str]) -> None:
    """See above."""
    what, *rest = arguments
    folder = Path(rest.pop(0)) if what == "junk" else None
    asked = dict(argument.split("=", 1) for argument in rest)
    name, steps = asked.pop("data", "digits"), int(asked.pop("steps", "500"))
    experiments, seeds = asked.pop("experiments", "mae,simclr").split(","), asked.pop("seeds", "0,1,2").split(",")
    held, samples = [int(c) for c in asked.pop("held", "8,9").split(",")], asked.pop("samples", None)
    root = [] if name == "digits" else [f"root={asked.pop('root', '/usr/share/datasets')}"]
    every, more = asked.pop("every", "2"), [f"{key}={value}" for key, value in asked.items()]
    if folder is not None:
        more += [f"data@data.of={name}", *(f"data.of.{o}" for o in root), f"sampler.every={every}"]
        more += [] if samples is None else [f"data.samples={samples}"]
        print_junk(folder / name, experiments, [int(seed) for seed in seeds], steps, more)
        return
    data = build_part("data", compose([f"data={name}", *(f"data.{o}" for o in root)])["data"])
    data = known_and_junk(data, held, None if samples is None else int(samples))
    print(table_head("experiment", "seed", *Novel._fields))
    for experiment in experiments:
        for seed in seeds:
            found = novel(trained(experiment, data, steps, int(seed), more), data, held)
            print(row(experiment, seed, *(f"{value:.3f}" for value in found)), flush=True)


def print_junk(folder: Path, experiments: Sequence[str], seeds: Sequence[int], steps: int, more: Sequence[str]) -> None:
    """Probes by experiment and kind, and the share of junk over rounds."""
    lines = []
    print(table_head("experiment", "training set", "five labels", "kNN", "linear", "junk drawn, %", "seconds"))
    for experiment in experiments:
        for kind in KINDS:
            runs = [curated(experiment, kind, seed, steps, folder, more) for seed in seeds]
            cells = [_spread([summary[key] for summary, _ in runs]) for key in ("few_shot", "knn", "linear")]
            drawn = [summary.get("curation/junk_share") for summary, _ in runs]
            cells.append(_spread([100 * share for share in drawn if share is not None]) if None not in drawn else "")
            cells.append(_spread([summary["seconds"] for summary, _ in runs]))
            print(row(experiment, kind, *cells), flush=True)
            if kind == "junk, curated":
                rounds = zip(*(shares for _, shares in runs), strict=False)
                lines.append(f"{experiment}: " + " ".join(f"{100 * mean(some):.0f}" for some in rounds))
    print("\njunk in the draws of each round, %:\n" + "\n".join(lines))


def _spread(values: Sequence[float]) -> str:
    return f"{mean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")


if __name__ == "__main__":
    main(sys.argv[1:])
