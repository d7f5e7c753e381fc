"""A run: from a resolved configuration to a folder with a trained graph and its summary."""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import inf, isfinite
from pathlib import Path
from typing import Any, NamedTuple

import lightning as L
import torch
import yaml
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger

from ssl_pipeline.build import build, build_mixed, grid_to_plain, parts
from ssl_pipeline.datasets import Data, EpochOrder, Mixed, Stream, statistics, train_loader
from ssl_pipeline.evaluation import P1
from ssl_pipeline.graph import Graph
from ssl_pipeline.instantiate import check, instantiate
from ssl_pipeline.mixed import MixedGraph
from ssl_pipeline.optim import Recipe
from ssl_pipeline.training import report
from ssl_pipeline.training.callbacks import Metrics, OnlineProbe, Saver, StopOnSignal
from ssl_pipeline.training.clock import Clock, seconds_of
from ssl_pipeline.training.csv_logger import TidyCSV
from ssl_pipeline.training.hardware import Hardware
from ssl_pipeline.training.module import PretrainModule
from ssl_pipeline.training.samples import write_samples
from ssl_pipeline.training.scoring import evaluate, online
from ssl_pipeline.training.watch import Watch
from ssl_pipeline.weights import load_weights


class Plan(NamedTuple):
    """A configuration made into things, all of its names and options checked, before data is read."""

    recipe: Recipe
    hardware: Hardware
    protocol: P1 | None
    bounds: dict[str, Any]
    clock: Clock


def run(config: dict[str, Any], run_dir: str) -> dict[str, Any]:
    """Train, probe and write the run's folder; with ``resume`` go on in that one.

    Args:
        config: resolved, plain dictionaries, as ``conf/train.yaml`` composes them.
        run_dir: folder of a new run.

    Returns:
        The content of ``summary.json``.

    Raises:
        ValueError: anything in the configuration or the data that cannot work.
        FileExistsError: a new run in the folder of an old one.
        KeyboardInterrupt: the user stopped the training; the folder is complete and can be resumed.
    """
    folder = Path(config["resume"] or run_dir).resolve()
    checkpoint = folder / "checkpoints" / "last.ckpt"
    plan = prepare(config)
    done = _done(checkpoint) if config["resume"] else 0
    if not config["resume"] and checkpoint.exists():
        raise FileExistsError(f"{folder} holds a run already: go on with resume={folder}, or take another folder")
    data: Data | Mixed = instantiate(config["data"])
    plan.bounds["max_epochs"] = _epochs(plan, data)
    if (bound := _last_step(plan, data, config)) <= done:
        raise ValueError(
            f"the run is at step {done} and its bound is step {bound}: raise trainer.max_steps or max_epochs"
        )
    make = maker(config, data)
    graph = make()
    sets, graphs = sets_of(data), graphs_of(graph)
    if config["init_from"] and not config["resume"]:
        missing = load_weights(graph, Path(config["init_from"]), partial=config["init_partial"])
        if isinstance(graph, Graph) and any(name.startswith("teacher.") for name in missing):
            graph.start_teacher()

    metrics = Metrics(plan.clock, plan.bounds["log_every_n_steps"], config["batch_size"], turns=len(sets))
    stop = StopOnSignal()
    watch = Watch(
        **config.get("watch", {}), seed=config["seed"], turns=len(sets), allow_collapse=config["allow_collapse"]
    )  # before metrics, which end with the step that it stops
    callbacks = [plan.clock, stop, watch, metrics, Saver(checkpoint, plan.clock, config["checkpoint"]["every_n_steps"])]
    if plan.protocol is not None:
        callbacks += _online(config, plan.clock, plan.protocol, sets, graphs, make)
    folder.mkdir(parents=True, exist_ok=True)
    with _quiet():
        trainer = _trainer(plan, folder, callbacks, metrics, done, partial_steps=len(sets) > 1)
        loader = train_loader(
            data.train,
            batch_size=config["batch_size"],
            seed=config["seed"],
            rank=trainer.global_rank,
            world=trainer.world_size,
            start=lambda: trainer.global_step,
            workers=plan.hardware.workers,
            members=config["members_per_source"],
        )
        if trainer.is_global_zero:
            _write_config(folder, config, sets)
            report.start(config, sets, graphs, plan.recipe, plan.hardware, trainer.world_size)
        if plan.hardware.compile:
            for part in graphs.values():
                part.encoder.compile()
                if part.teacher is not None:
                    part.teacher.copies["encoder"].compile()
        module = PretrainModule(graph, plan.recipe, plan.clock, config["batch_size"], config["seed"])
        try:
            trainer.fit(module, loader, ckpt_path=str(checkpoint) if done else None, weights_only=True)
        except SystemExit:  # Lightning's answer to a second Ctrl-C
            raise KeyboardInterrupt from None
        finally:
            stop.restore()
    if not trainer.is_global_zero:
        return {}
    summary: dict[str, Any] = {
        "name": config["name"],
        "steps": trainer.global_step,
        "seconds": round(plan.clock.elapsed(), 3),
        "interrupted": stop.stopped,
    }
    summary |= {k: v for k in ("samples_per_s", "loss") if isfinite(v := round(getattr(metrics, k), 6))}
    _write(folder, summary)
    if stop.stopped:
        print(f"interrupted at step {trainer.global_step}; go on with: resume={os.path.relpath(folder)}")
        raise KeyboardInterrupt
    graph.to(trainer.strategy.root_device)
    if plan.protocol is not None:
        found = {
            name: evaluate(
                graphs[name], part, plan.protocol, config["probe"], lambda name=name: graphs_of(make())[name]
            )
            for name, part in sets.items()
        }
        summary |= found.get("", {"sets": found})
    for name, part in sets.items():
        write_samples(graphs[name].eval(), part, folder / "samples" / name)
    _write(folder, summary)
    report.end(summary, os.path.relpath(folder))
    return summary


def prepare(config: Mapping[str, Any]) -> Plan:
    """Check and make all that needs no data.

    Raises:
        ValueError: a name, option or number that cannot be.
    """
    parts(config)
    bounds = dict(config["trainer"])
    check("trainer", L.Trainer, list(bounds), is_partial=True)
    for key in (*Hardware.__dataclass_fields__, "accumulate_grad_batches", "callbacks", "logger"):
        if key in bounds:
            raise ValueError(
                f"trainer.{key} is not set here: take hardware.* for the machine, batch_size for larger steps"
            )
    bounds["max_steps"] = -1 if bounds["max_steps"] is None else bounds["max_steps"]
    for key in ("max_steps", "max_epochs"):
        if not isinstance(bounds[key], int | None):
            raise ValueError(f"trainer.{key}={bounds[key]}: expected a whole number, or null for none")
    clock = Clock(seconds_of(bounds.pop("max_time")))
    protocol = instantiate(config["probe"]["protocol"])
    return Plan(instantiate(config["optimizer"]), instantiate(config["hardware"]), protocol, bounds, clock)


def sets_of(data: Data | Mixed) -> dict[str, Data]:
    """The data sets of a run by name; a single one has none."""
    return dict(data.sets) if isinstance(data, Mixed) else {"": data}


def graphs_of(graph: Graph | MixedGraph) -> dict[str, Graph]:
    """The graph of each data set."""
    return dict(graph.graphs.items()) if isinstance(graph, MixedGraph) else {"": graph}  # pyright: ignore


def maker(config: Mapping[str, Any], data: Data | Mixed) -> Callable[[], Graph | MixedGraph]:
    """Makes the graph of a run on its data, with the weights that its seed gives."""
    stats = {name: _statistics(part) for name, part in sets_of(data).items()}

    def make() -> Graph | MixedGraph:
        torch.manual_seed(config["seed"])
        if isinstance(data, Mixed):
            return build_mixed(config, {name: part.grid for name, part in data.sets.items()}, stats)
        return build(config, data.grid, *stats[""])

    return make


def _statistics(data: Data) -> tuple[list[float] | None, list[float] | None]:
    if data.grid.discrete:
        return None, None
    mean, std = statistics(data.train, data.grid)
    return mean.tolist(), std.tolist()


def _online(
    config: Mapping[str, Any],
    clock: Clock,
    protocol: P1,
    sets: Mapping[str, Data],
    graphs: Mapping[str, Graph],
    make: Callable[[], Graph | MixedGraph],
) -> list[L.Callback]:
    """A callback for each data set with labelled test samples."""
    probe, callbacks = config["probe"], []
    for name, data in sets.items():
        if probe["online"] and data.test is not None and data.classes is not None:
            score, beside = online(graphs[name], data, protocol, probe, lambda name=name: graphs_of(make())[name])
            callbacks.append(OnlineProbe(clock, score, beside, probe["online"], name))
    return callbacks


def _write_config(folder: Path, config: dict[str, Any], sets: Mapping[str, Data]) -> None:
    """Everything that ``load`` needs besides the weights."""

    def plain(data: Data) -> dict[str, Any]:
        return {"grid": grid_to_plain(data.grid), "classes": data.classes and list(data.classes)}

    about = plain(sets[""]) if "" in sets else {"sets": {name: plain(data) for name, data in sets.items()}}
    (folder / "config.yaml").write_text(yaml.safe_dump({**config, **about}, sort_keys=False))
    codecs = {name: data.codec.plain() for name, data in sets.items() if data.codec is not None}
    if codecs:
        (folder / "codecs.json").write_text(json.dumps(codecs, ensure_ascii=False) + "\n")


def _trainer(
    plan: Plan, folder: Path, callbacks: list[L.Callback], metrics: Metrics, done: int, partial_steps: bool
) -> L.Trainer:
    bounds = dict(plan.bounds)
    bar = bounds["enable_progress_bar"] = bounds["enable_progress_bar"] and sys.stdout.isatty()
    metrics.lines = not bar
    return L.Trainer(
        **bounds,
        **plan.hardware.options(partial_steps),
        logger=[TidyCSV(folder / "metrics.csv", keep=done), TensorBoardLogger(folder, name="", version="tensorboard")],
        callbacks=[*callbacks, TQDMProgressBar(refresh_rate=20)] if bar else callbacks,
        use_distributed_sampler=False,
        enable_model_summary=False,
        limit_val_batches=0,
        default_root_dir=folder,
    )


def _epochs(plan: Plan, data: Data | Mixed) -> int:
    """Lightning's bound on epochs: -1 for none.

    Raises:
        ValueError: the run would have no end.
    """
    epochs = plan.bounds["max_epochs"]
    others = plan.bounds["max_steps"] > 0 or plan.clock.max_time is not None
    if isinstance(data.train, Stream):
        if not others:
            raise ValueError("a stream has no epochs to count: bound the run by trainer.max_steps or trainer.max_time")
        return -1
    if epochs in (None, -1) and not others:
        raise ValueError("the run has no bound: set trainer.max_epochs, trainer.max_steps or trainer.max_time")
    return -1 if epochs is None else epochs


def _last_step(plan: Plan, data: Data | Mixed, config: Mapping[str, Any]) -> float:
    """The step at which the bounds on steps and epochs end the run."""
    steps = plan.bounds["max_steps"] if plan.bounds["max_steps"] >= 0 else inf
    if isinstance(data.train, Stream) or plan.bounds["max_epochs"] < 0:
        return steps
    samples = len(EpochOrder(data.train.sources, config["seed"], config["members_per_source"]))
    return min(steps, plan.bounds["max_epochs"] * max(1, samples // config["batch_size"]))


def _done(checkpoint: Path) -> int:
    """Steps that the run to be resumed has done.

    Raises:
        FileNotFoundError: it has no checkpoint.
    """
    if not checkpoint.is_file():
        raise FileNotFoundError(f"there is nothing to resume: no checkpoint {checkpoint}")
    return int(torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)["global_step"])


def _write(folder: Path, summary: dict[str, Any]) -> None:
    (folder / "summary.json").write_text(json.dumps(summary, indent=2, allow_nan=False) + "\n")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Lightning's hints that do not fit: batches come whole from an index, there is no validation loop."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for hint in (
                "does not have many workers",
                "exists and is not empty",
                "number of training batches",
                "LeafSpec",
                "in eval mode at the start",  # a teacher
                "dataloader is not resumable",
            ):
                warnings.filterwarnings("ignore", f".*{hint}.*")
            yield
    finally:
        logger.setLevel(level)
