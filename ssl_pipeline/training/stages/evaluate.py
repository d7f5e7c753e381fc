"""The third stage: what the trained graph is worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lightning.pytorch.loggers import Logger

from ssl_pipeline.training.graphs import graphs_of
from ssl_pipeline.training.loggers import log_samples
from ssl_pipeline.training.samples import write_samples
from ssl_pipeline.training.scoring import score_graph
from ssl_pipeline.training.stages.prepare import PreparedRun


def evaluate_run(run: PreparedRun, loggers: Sequence[Logger] = ()) -> dict[str, Any]:
    """Probe the trained graphs and write ``summary.json`` and ``samples/``.

    Args:
        run: whose graphs have their trained weights, as after ``fit_run`` or ``open_run``.
        loggers: take the samples, too.

    Returns:
        The content of ``summary.json``.
    """
    summary = run.folder.read_summary() | _scores(run)
    summary.pop("evaluated", None)
    run.folder.write_summary(summary)
    samples = run.folder.path / "samples"
    for name, data in run.sets.items():
        write_samples(run.graphs[name].eval(), data, samples / name)
    log_samples(loggers, samples, summary["steps"])
    return summary


def _scores(run: PreparedRun) -> dict[str, Any]:
    """Scores of the trained graph; of several data sets under ``sets``."""
    if run.plan.protocol is None:
        return {}
    probe, graphs, found = run.config["probe"], run.graphs, {}
    for name, data in run.sets.items():
        make = lambda name=name: graphs_of(run.make())[name]  # noqa: E731
        found[name] = score_graph(graphs[name], data, run.plan.protocol, probe, make)
    return found.get("", {"sets": found})
