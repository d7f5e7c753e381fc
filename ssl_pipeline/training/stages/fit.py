"""The second stage: training."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from math import isfinite
from typing import Any, NamedTuple

import lightning as L
from lightning.pytorch.loggers import Logger
from torch.utils.data import DataLoader

from ssl_pipeline.data import Stream, train_loader
from ssl_pipeline.inference.recognizer import forget_recognizer
from ssl_pipeline.training import console
from ssl_pipeline.training.activations import checkpoint_activations
from ssl_pipeline.training.callbacks import Diagnostics, Finite, Metrics, OnlineProbe, Sampling, Saver, StopOnSignal
from ssl_pipeline.training.graphs import compile_encoders, trained_encoders
from ssl_pipeline.training.plan import last_step, samples_of_epoch
from ssl_pipeline.training.profiler import Waiting
from ssl_pipeline.training.run_dir import UNFINISHED
from ssl_pipeline.training.samplers import SamplerContext
from ssl_pipeline.training.scoring import online_scores
from ssl_pipeline.training.stages.prepare import PreparedRun
from ssl_pipeline.training.time_limits import time_limits
from ssl_pipeline.training.trainer import make_trainer, quiet, shows_bar
from ssl_pipeline.utils.auto import AUTO
from ssl_pipeline.utils.errors import Interrupted


class FittedRun(NamedTuple):
    """What training leaves besides the weights of the prepared graph."""

    summary: dict[str, Any]
    loggers: Sequence[Logger]
    signal: int  # that ended it, 0 for none
    alarm: str | None  # the diagnosis that ended it
    writes: bool  # whether this process is the one that writes files

    @property
    def interrupted(self) -> bool:
        """Whether the run ends here, before its evaluation."""
        return bool(self.signal) or self.alarm is not None


class _Callbacks(NamedTuple):
    stop: StopOnSignal
    finite: Finite
    diagnostics: Diagnostics  # before metrics, which end with the step that it stops
    metrics: Metrics
    sampling: Sampling | None  # before the saver: a checkpoint holds the next epoch's order
    saver: Saver
    probes: list[OnlineProbe]

    def in_order(self) -> list[L.Callback]:
        sampling = [] if self.sampling is None else [self.sampling]
        return [self.stop, self.finite, self.diagnostics, self.metrics, *sampling, self.saver, *self.probes]


def fit_run(run: PreparedRun) -> FittedRun:
    """Train to the bound, a signal or an alarm, and write the training's part of the summary.

    Raises:
        KeyboardInterrupt: the user stopped it at once.
    """
    config, plan, folder = run.config, run.plan, run.folder
    folder.path.mkdir(parents=True, exist_ok=True)
    waiting = Waiting()
    found = _callbacks(run, waiting)
    with quiet():
        options = _bounds(run) | plan.hardware.options(partial_steps=len(run.data) > 1)
        loggers = [] if plan.tracker is None else [plan.tracker.logger(folder.path, config["name"])]
        callbacks = [plan.clock, *found.in_order()]
        trainer = make_trainer(options, callbacks, folder.path, run.start.step, loggers, waiting)
        loader = _loader(run, trainer, found.sampling)
        if trainer.is_global_zero:
            _begin(run, loggers, trainer.world_size)
        if plan.hardware.compile:
            compile_encoders(run.module.graphs)
        if plan.hardware.checkpoint_activations:
            for encoder in trained_encoders(run.module.graphs):
                checkpoint_activations(encoder)
        checkpoint = run.start.checkpoint and str(run.start.checkpoint)
        try:
            trainer.fit(run.module, loader, ckpt_path=checkpoint, weights_only=True)
        except SystemExit:  # Lightning's answer to a second Ctrl-C
            raise Interrupted(found.stop.heard or signal.SIGINT) from None
        finally:
            found.stop.restore()
    run.whole.take(trainer)
    number = found.stop.number or found.stop.heard  # which may have come behind the last step
    over = not number and found.diagnostics.stopped is None
    summary = _summary(run, trainer, found) | {"trained": over}
    if trainer.is_global_zero:
        folder.write_summary(summary)
        run.graphs.module.to(trainer.strategy.root_device)
    return FittedRun(summary, trainer.loggers, number, found.diagnostics.stopped, writes=trainer.is_global_zero)


def _bounds(run: PreparedRun) -> dict[str, Any]:
    """Where the training ends, of epochs also their last step: what was killed as one ended may count one less."""
    last = last_step(run.plan, run.data, run.config)
    return run.plan.bounds | ({"max_steps": int(last)} if isfinite(last) else {})


def _begin(run: PreparedRun, loggers: Sequence[Logger], world: int) -> None:
    """Write the configuration, a summary of a run that is not done, and the resolved numbers on the screen."""
    config, plan = run.config, run.plan
    run.folder.write_config(config, run.data)
    for name in run.data:
        forget_recognizer(run.folder.path / run.data.prefix(name))
    run.folder.write_summary({"name": config["name"], "steps": run.start.step, **UNFINISHED})
    for logger in loggers:
        logger.log_hyperparams(config)
    parts = plan.bounds["accumulate_grad_batches"]
    limits = time_limits(plan.clock.max_time, config["probe"].get("budget", AUTO), plan.protocol is not None)
    console.start(run.data, run.graphs, plan.recipe, plan.hardware, config["batch_size"], world, parts, limits)
    if run.start.step:
        print(f"resumed    after step {run.start.step:,}", flush=True)


def _callbacks(run: PreparedRun, waiting: Waiting) -> _Callbacks:
    config, plan, folder, turns = run.config, run.plan, run.folder, len(run.data)
    every, lines = plan.bounds["log_every_n_steps"], not shows_bar(plan.bounds)
    unreadable = run.start.checkpoint not in (None, folder.checkpoint)
    samples = samples_of_epoch(run.data, config)
    epoch = None if samples is None else samples // config["batch_size"]
    saver = Saver(folder.checkpoint, plan.clock, config["checkpoint"]["every_n_steps"], unreadable, epoch)
    diagnostics = Diagnostics(
        **config["diagnostics"],
        seed=config["seed"],
        turns=turns,
        allow_collapse=config["allow_collapse"],
        file=folder.path / "diagnostics.csv",
        keep=run.start.step,
    )
    return _Callbacks(
        StopOnSignal(),
        Finite(folder.checkpoint.parent, saver.due, config["seed"]),
        diagnostics,
        Metrics(plan.clock, every, config["batch_size"], lines=lines, turns=turns, waiting=waiting),
        _sampling(run),
        saver,
        _online_probes(run),
    )


def _sampling(run: PreparedRun) -> Sampling | None:
    """What decides the order of the samples, where something does; ``bound_epochs`` has refused streams."""
    if run.plan.sampler is None:
        return None
    assert not isinstance(run.data.train, Stream)
    size = run.config["batch_size"]
    context = SamplerContext(run.data.only, size, run.config["seed"], run.folder.path, run.start.step)
    return Sampling(run.plan.sampler.bind(context), size)


def _online_probes(run: PreparedRun) -> list[OnlineProbe]:
    """A callback for each data set with labelled test samples."""
    probe, plan, found = run.config["probe"], run.plan, []
    if plan.protocol is None or not probe["online"]:
        return found
    for name, data in run.data.items():
        if data.test is not None and data.classes is not None:
            make = run.untrained(name)
            score, baselines = online_scores(run.graphs[name], data, plan.protocol, make, probe["baselines"])
            found.append(OnlineProbe(plan.clock, score, baselines, probe["online"], run.whole, run.data.prefix(name)))
    return found


def _loader(run: PreparedRun, trainer: L.Trainer, sampling: Sampling | None) -> DataLoader:
    return train_loader(
        run.data.train,
        batch_size=run.config["batch_size"],
        seed=run.config["seed"],
        rank=trainer.global_rank,
        world=trainer.world_size,
        start=lambda: trainer.global_step + run.plan.clock.ahead,
        workers=run.plan.hardware.workers,
        members=run.config["members_per_source"],
        order=None if sampling is None else sampling.sampler.order,
        parts=trainer.accumulate_grad_batches,
    )


def _summary(run: PreparedRun, trainer: L.Trainer, found: _Callbacks) -> dict[str, Any]:
    """The training's part."""
    measured = {"loss": found.metrics.loss, **found.metrics.machine(trainer.strategy.root_device)}
    return {
        "name": run.config["name"],
        "steps": trainer.global_step,
        "seconds": round(run.plan.clock.elapsed(), 3),
        **UNFINISHED,
        **{name: round(value, 6) for name, value in measured.items() if isfinite(value)},
        **({} if found.sampling is None else found.sampling.sampler.summary()),
        **({"alarms": [*found.diagnostics.alarms.values()]} if found.diagnostics.alarms else {}),
    }
