"""The third stage: what the trained graph is worth."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from lightning.pytorch.loggers import Logger

from ssl_pipeline.inference.recognizer import write_recognizer
from ssl_pipeline.structures.per_data_set import join_sets
from ssl_pipeline.training.loggers import log_samples
from ssl_pipeline.training.probe_time import ProbeTime, probe_budget
from ssl_pipeline.training.samples import write_samples
from ssl_pipeline.training.scoring import score_graph
from ssl_pipeline.training.stages.prepare import PreparedRun
from ssl_pipeline.utils.auto import AUTO

_OF_PROBES = ("cautions", "probes_left_out", "supervised")
"""What a summary has of probes only where there is something to say."""


def evaluate_run(run: PreparedRun, loggers: Sequence[Logger] = ()) -> dict[str, Any]:
    """Probe the trained graphs and write ``summary.json`` and ``samples/``.

    Args:
        run: whose graphs have their trained weights, as after ``fit_run`` or ``open_run``.
        loggers: take the samples, too.

    Returns:
        The content of ``summary.json``.
    """
    summary = run.folder.read_summary()
    budget = probe_budget(run.config["probe"].get("budget", AUTO), summary.get("seconds", 0.0))
    summary = {key: value for key, value in summary.items() if key.rpartition("/")[2] not in _OF_PROBES}
    summary |= _scores(run, ProbeTime(budget))
    samples = run.folder.path / "samples"
    for name, data in run.data.items():
        write_samples(run.graphs[name].eval(), data, samples / run.data.prefix(name))
    log_samples(loggers, samples, summary["steps"])
    summary.pop("evaluated", None)
    trained = summary.pop("trained", False) or run.trained
    summary["interrupted"] = summary.get("interrupted", False) and not trained
    run.folder.write_summary(summary)  # last, so that a run which is killed before it goes on here
    return summary


def _scores(run: PreparedRun, time: ProbeTime) -> dict[str, Any]:
    """Scores of the trained graphs; each takes an equal part of the time that is left."""
    protocol, baselines, found = run.plan.protocol, run.config["probe"]["baselines"], {}
    if protocol is None:
        return {}
    for number, (name, data) in enumerate(run.data.items()):
        part, place = time.part(1 / (len(run.data) - number)), run.folder.path / run.data.prefix(name)
        keep = partial(write_recognizer, folder=place)
        found[name] = score_graph(run.graphs[name], data, protocol, run.untrained(name), baselines, part, keep)
    return join_sets(found)
