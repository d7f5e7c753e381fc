"""A run: from a resolved configuration to a folder with a trained graph and its summary."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.utilities import rank_zero_only

from ssl_pipeline.config.instantiate import DATA, instantiate
from ssl_pipeline.data import Data, Mixed, Stream, WeightedOrder, train_loader
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.graph.multi_dataset import MixedGraph
from ssl_pipeline.report import write_report
from ssl_pipeline.training import console as report
from ssl_pipeline.training.callbacks import Metrics, OnlineProbe, Saver, StopOnSignal
from ssl_pipeline.training.callbacks.curator import Curator
from ssl_pipeline.training.callbacks.diagnostics import Diagnostics
from ssl_pipeline.training.callbacks.finite import Finite
from ssl_pipeline.training.fsdp import UnshardedCopy
from ssl_pipeline.training.graphs import compile_encoders, graphs_of, maker, sets_of, start_from
from ssl_pipeline.training.loggers import close, log_samples
from ssl_pipeline.training.module import PretrainModule
from ssl_pipeline.training.plan import Plan, bounded, prepare
from ssl_pipeline.training.profiler import Waiting
from ssl_pipeline.training.run_dir import Folder
from ssl_pipeline.training.samples import write_samples
from ssl_pipeline.training.scoring import evaluate, online
from ssl_pipeline.training.torch_errors import explained
from ssl_pipeline.training.trainer import make_trainer, quiet, shows_bar
from ssl_pipeline.utils.errors import Interrupted


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
    folder = Folder(Path(config["resume"] or run_dir).resolve())
    try:
        return _run(config, folder)
    except (RuntimeError, MemoryError, ConnectionError, EOFError) as error:
        raise explained(error, f"resume={folder.relative}") or error from None


def _run(config: dict[str, Any], folder: Folder) -> dict[str, Any]:
    plan = prepare(config)
    start = folder.start(resume=bool(config["resume"]))
    data: Data | Mixed = instantiate(config["data"], at="data", trust=tuple(config.get("trust", ())), allowed=DATA)
    sets = sets_of(data)
    if config["resume"]:
        folder.check_data(sets)
    plan = bounded(plan, data, config, start.step)
    make = maker(config, data)
    graph = make()
    if config["init_from"] and not config["resume"]:
        start_from(graph, Path(config["init_from"]), config["init_partial"])
    module = PretrainModule(graph, plan.recipe, plan.clock, config["batch_size"], config["seed"], plan.dynamics)
    whole = UnshardedCopy(module, make() if plan.hardware.shards and rank_zero_only.rank == 0 else None)
    graphs = graphs_of(whole.graph)  # those that are looked at

    stop, waiting = StopOnSignal(), Waiting()
    metrics = Metrics(
        plan.clock,
        plan.bounds["log_every_n_steps"],
        config["batch_size"],
        lines=not shows_bar(plan.bounds),
        turns=len(sets),
        waiting=waiting,
    )
    diagnostics = Diagnostics(
        **config.get("diagnostics", {}),
        seed=config["seed"],
        turns=len(sets),
        allow_collapse=config["allow_collapse"],
        file=folder.path / "diagnostics.csv",
        keep=start.step,
    )  # before metrics, which end with the step that it stops
    saver = Saver(
        folder.checkpoint,
        plan.clock,
        config["checkpoint"]["every_n_steps"],
        damaged=start.checkpoint not in (None, folder.checkpoint),
    )
    curator = _curator(config, plan, data, folder, start.step)
    probes = _online_probes(config, plan, sets, whole, make)
    folder.path.mkdir(parents=True, exist_ok=True)
    with quiet():
        options = plan.bounds | plan.hardware.options(partial_steps=len(sets) > 1)
        loggers = [] if plan.tracker is None else [plan.tracker.logger(folder.path, config["name"])]
        finite = Finite(folder.checkpoint.parent, saver.due, config["seed"])
        curators = [] if curator is None else [curator]  # before the saver: what it saves holds the next epoch's order
        callbacks = [plan.clock, stop, finite, diagnostics, metrics, *curators, saver, *probes]
        trainer = make_trainer(options, callbacks, folder.path, start.step, loggers, waiting)
        loader = train_loader(
            data.train,
            batch_size=config["batch_size"],
            seed=config["seed"],
            rank=trainer.global_rank,
            world=trainer.world_size,
            start=lambda: trainer.global_step,
            workers=plan.hardware.workers,
            members=config["members_per_source"],
            order=None if curator is None else curator.order,
        )
        if trainer.is_global_zero:
            folder.write_config(config, sets)
            folder.write_summary({"name": config["name"], "steps": start.step, "interrupted": True})  # until it is done
            for logger in loggers:
                logger.log_hyperparams(config)
            report.start(config, sets, graphs, plan.recipe, plan.hardware, trainer.world_size)
        if plan.hardware.compile:
            compile_encoders(graphs_of(graph))
        try:
            trainer.fit(module, loader, ckpt_path=start.checkpoint and str(start.checkpoint), weights_only=True)
        except SystemExit:  # Lightning's answer to a second Ctrl-C
            raise Interrupted(stop.number or signal.SIGINT) from None
        finally:
            stop.restore()
    whole.take(trainer)
    if not trainer.is_global_zero:
        return {}

    summary: dict[str, Any] = {
        "name": config["name"],
        "steps": trainer.global_step,
        "seconds": round(plan.clock.elapsed(), 3),
        "interrupted": bool(stop.number) or diagnostics.stopped is not None,
    }
    measured = {"loss": metrics.loss, **metrics.machine(trainer.strategy.root_device)}
    summary |= {name: round(value, 6) for name, value in measured.items() if isfinite(value)}
    summary |= {} if curator is None else curator.summary()
    summary |= {"alarms": [*diagnostics.alarms.values()]} if diagnostics.alarms else {}
    folder.write_summary(summary)
    whole.graph.to(trainer.strategy.root_device)
    if summary["interrupted"]:
        print(f"interrupted at step {trainer.global_step}; go on with: resume={folder.relative}")
        if stop.number != getattr(signal, "SIGUSR1", None):  # else the job ends in seconds
            _report(config, folder, graphs, sets)
        close(loggers)
        if diagnostics.stopped is None:
            raise Interrupted(stop.number)
        go_on = f"resume={folder.relative} diagnostics.on_alarm=warn"
        raise ValueError(f"{diagnostics.stopped}, or set allow_collapse=true; to go on from here: {go_on}")
    summary |= _scores(config, plan, sets, graphs, make)
    folder.write_summary(summary)
    for name, part in sets.items():
        write_samples(graphs[name].eval(), part, folder.path / "samples" / name)
    log_samples(trainer.loggers, folder.path / "samples", trainer.global_step)
    close(loggers)
    _report(config, folder, graphs, sets)
    report.end(summary, folder.relative)
    return summary


def _report(config: Mapping[str, Any], folder: Folder, graphs: Mapping[str, Graph], sets: Mapping[str, Data]) -> None:
    """The page of a run; what goes wrong with it takes nothing from the run."""
    asked = config.get("report", {})
    if not asked.get("page", True):
        return
    try:
        write_report(folder.path, graphs, sets, asked.get("samples", 1000), asked.get("map", "pca"))
    except Exception as error:
        again = f"make it again with: ssl-pipeline report run={folder.relative} debug=true"
        print(f"warning: there is no report.html ({type(error).__name__}: {error}); {again}", file=sys.stderr)


def _curator(config: Mapping[str, Any], plan: Plan, data: Data | Mixed, folder: Folder, done: int) -> Curator | None:
    """What chooses the samples, where something does; ``bounded`` has refused streams."""
    if plan.curation is None:
        return None
    assert isinstance(data, Data) and not isinstance(data.train, Stream)
    order = WeightedOrder(data.train.sources, config["seed"])
    return Curator(plan.curation, data, order, config["batch_size"], config["seed"], folder.path, done)


def _online_probes(
    config: Mapping[str, Any],
    plan: Plan,
    sets: Mapping[str, Data],
    whole: UnshardedCopy,
    make: Callable[[], Graph | MixedGraph],
) -> list[L.Callback]:
    """A callback for each data set with labelled test samples."""
    probe, callbacks, graphs = config["probe"], [], graphs_of(whole.graph)
    if plan.protocol is None or not probe["online"]:
        return callbacks
    for name, data in sets.items():
        if data.test is not None and data.classes is not None:
            score, beside = online(graphs[name], data, plan.protocol, probe, lambda name=name: graphs_of(make())[name])
            callbacks.append(OnlineProbe(plan.clock, score, beside, probe["online"], whole, name))
    return callbacks


def _scores(
    config: Mapping[str, Any],
    plan: Plan,
    sets: Mapping[str, Data],
    graphs: Mapping[str, Graph],
    make: Callable[[], Graph | MixedGraph],
) -> dict[str, Any]:
    """What the summary says of the trained graphs; of several data sets under ``sets``."""
    if plan.protocol is None:
        return {}
    found = {
        name: evaluate(graphs[name], part, plan.protocol, config["probe"], lambda name=name: graphs_of(make())[name])
        for name, part in sets.items()
    }
    return found.get("", {"sets": found})
