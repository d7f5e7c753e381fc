"""A run: from a resolved configuration to a folder with a trained graph and its summary."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L
import torch
import yaml
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger

from ssl_pipeline.build import build, grid_to_plain, parts
from ssl_pipeline.datasets import Data, statistics, train_loader
from ssl_pipeline.evaluation import P1, rankme, restoration, spread
from ssl_pipeline.evaluation.protocol import embedder
from ssl_pipeline.graph import Graph
from ssl_pipeline.instantiate import instantiate
from ssl_pipeline.optim import Recipe
from ssl_pipeline.training import report
from ssl_pipeline.training.callbacks import Metrics, OnlineProbe, Saver, StopOnSignal
from ssl_pipeline.training.clock import Clock, seconds_of
from ssl_pipeline.training.csv_logger import TidyCSV
from ssl_pipeline.training.hardware import Hardware
from ssl_pipeline.training.module import PretrainModule
from ssl_pipeline.weights import load_weights

ONLINE = {"train_limit": 4000, "test_limit": 2000, "few": 0}


def run(config: dict[str, Any], run_dir: str) -> dict[str, Any]:
    """Train, probe and write the run's folder; a folder that holds a checkpoint goes on from it if ``resume`` is set.

    Args:
        config: resolved, plain dictionaries, as ``conf/train.yaml`` composes them.
        run_dir: folder of the run.

    Returns:
        The content of ``summary.json``.

    Raises:
        ValueError: anything in the configuration or the data that cannot work.
        KeyboardInterrupt: the user stopped the training; the folder is complete and can be resumed.
    """
    folder = Path(run_dir).resolve()
    # All names and options are checked before data is read.
    parts(config)
    recipe: Recipe = instantiate(config["optimizer"])
    hardware: Hardware = instantiate(config["hardware"])
    protocol: P1 | None = instantiate(config["probe"]["protocol"])
    bounds = dict(config["trainer"])
    clock = Clock(seconds_of(bounds.pop("max_time")))
    bounds |= {"max_epochs": -1 if bounds["max_epochs"] is None else bounds["max_epochs"]}

    data: Data = instantiate(config["data"])
    mean, std = (None, None) if data.grid.discrete else (s.tolist() for s in statistics(data.train, data.grid))
    graph = seeded(config, data, mean, std)
    checkpoint = folder / "checkpoints" / "last.ckpt"
    done = 0
    if config["resume"]:
        if not checkpoint.is_file():
            raise FileNotFoundError(f"resume={config['resume']}: there is no checkpoint {checkpoint}")
        done = int(torch.load(checkpoint, map_location="cpu", weights_only=True)["global_step"])
    elif config["init_from"]:
        load_weights(graph, Path(config["init_from"]), partial=config["init_partial"])
    folder.mkdir(parents=True, exist_ok=True)

    module = PretrainModule(graph, recipe, clock, config["batch_size"], config["seed"])
    bar = bounds["enable_progress_bar"] = bounds["enable_progress_bar"] and sys.stdout.isatty()
    metrics = Metrics(clock, bounds["log_every_n_steps"], config["batch_size"], lines=not bar)
    stop = StopOnSignal()
    saver = Saver(checkpoint, clock, config["checkpoint"]["every_n_steps"])
    callbacks = [clock, metrics, stop, saver]
    if protocol is not None and config["probe"]["online"] and data.test is not None and data.classes is not None:
        small = replace(protocol, **ONLINE)
        online = OnlineProbe(clock, lambda: small.score(small.features(_embed(graph), data)), config["probe"]["online"])
        callbacks.insert(2, online)
    if bar:
        callbacks.append(TQDMProgressBar(refresh_rate=20))
    _quiet()
    trainer = L.Trainer(
        **bounds,
        **hardware.options(),
        logger=[TidyCSV(folder / "metrics.csv", keep=done), TensorBoardLogger(folder, name="", version="tensorboard")],
        callbacks=callbacks,
        enable_checkpointing=True,
        use_distributed_sampler=False,
        enable_model_summary=False,
        limit_val_batches=0,
        default_root_dir=folder,
    )
    loader = train_loader(
        data.train,
        batch_size=config["batch_size"],
        seed=config["seed"],
        rank=trainer.global_rank,
        world=trainer.world_size,
        start=lambda: trainer.global_step,
        workers=hardware.workers,
    )
    if trainer.is_global_zero:
        plain = {**config, "grid": grid_to_plain(data.grid), "classes": data.classes and list(data.classes)}
        (folder / "config.yaml").write_text(yaml.safe_dump(plain, sort_keys=False))
        report.start(config, data, graph, recipe, hardware, trainer.world_size)
    trainer.fit(module, loader, ckpt_path=str(checkpoint) if config["resume"] else None, weights_only=True)
    if not trainer.is_global_zero:
        return {}
    summary: dict[str, Any] = {
        "name": config["name"],
        "steps": trainer.global_step,
        "seconds": round(clock.elapsed(), 3),
        "samples_per_s": round(metrics.samples_per_s, 1),
        "loss": metrics.loss,
        "interrupted": stop.stopped,
    }
    if stop.stopped:
        _write(folder, summary)
        print(f"interrupted at step {trainer.global_step}; go on with: resume={os.path.relpath(folder)}")
        raise KeyboardInterrupt
    summary |= evaluate(graph, data, protocol, untrained=seeded(config, data, mean, std), config=config)
    _write(folder, summary)
    report.end(summary, os.path.relpath(folder))
    return summary


def seeded(config: dict[str, Any], data: Data, mean: Any, std: Any) -> Graph:
    """The graph with the weights that its seed gives: where training starts, and the untrained baseline."""
    torch.manual_seed(config["seed"])
    return build(config, data.grid, mean, std)


def evaluate(
    graph: Graph, data: Data, protocol: P1 | None, *, untrained: Graph, config: dict[str, Any]
) -> dict[str, Any]:
    """Probes, baselines and restoration at the end of a run."""
    if protocol is None:
        return {}
    began = time.perf_counter()
    features = protocol.features(_embed(graph), data)
    held_out = features.train if features.test is None else features.test
    result = protocol.score(features) | {"rankme": rankme(held_out), "std": spread(held_out)}
    if "knn" in result and config["probe"]["baselines"]:
        result |= {f"{k}_raw": v for k, v in protocol.raw(data).items()}
        result |= {f"{k}_untrained": v for k, v in protocol.score(protocol.features(_embed(untrained), data)).items()}
    result |= restoration(graph.eval(), data.train if data.test is None else data.test)
    seconds = round(time.perf_counter() - began, 1)
    return result | {"protocol": protocol.name, "probe_seconds": seconds}


def _embed(graph: Graph) -> Any:
    return embedder(graph, next(graph.parameters()).device)


def _write(folder: Path, summary: dict[str, Any]) -> None:
    (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")


def _quiet() -> None:
    """Lightning's hints that do not fit here: batches come whole from an index, and there is no validation loop."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", ".*LeafSpec.*")
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*Checkpoint directory .* exists and is not empty.*")
    warnings.filterwarnings("ignore", ".*The number of training batches.*")
