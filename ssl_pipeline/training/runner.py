"""A run: from a resolved configuration to a folder with a trained graph and its summary."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only
from torch import nn

from ssl_pipeline.data import Data
from ssl_pipeline.training.loggers import close
from ssl_pipeline.training.run_dir import RunDir
from ssl_pipeline.training.signals import ended_at_once
from ssl_pipeline.training.stages import (
    FittedRun,
    PreparedRun,
    evaluate_run,
    fit_run,
    prepare_run,
    report_run,
    write_page,
)
from ssl_pipeline.training.torch_errors import machine_error
from ssl_pipeline.utils.claims import held
from ssl_pipeline.utils.errors import Interrupted


def run(
    config: dict[str, Any], run_dir: str, data: Data | None = None, encoder: nn.Module | None = None
) -> dict[str, Any]:
    """Train, probe and write the run's folder; with ``resume`` go on in that one, be it within its evaluation.

    Args:
        config: resolved, plain dictionaries, as ``conf/train.yaml`` composes them.
        run_dir: folder of a new run.
        data: read already, in place of what the configuration names.
        encoder: an object of Python, where the configuration's encoder is one; it is trained itself.

    Returns:
        The content of ``summary.json``.

    Raises:
        ValueError: anything in the configuration or the data that cannot work.
        FileExistsError: a new run in the folder of an old one.
        ValueError: another process trains in this folder.
        Finished: the run that is to go on has reached its bound, and is evaluated.
        KeyboardInterrupt: the user stopped it; the folder is complete and can be resumed.
    """
    folder = RunDir(Path(config["resume"] or run_dir).resolve())
    try:
        with nullcontext() if rank_zero_only.rank else held(folder.path):
            prepared = prepare_run(config, folder, data, encoder)
            return _evaluated(prepared) if prepared.trained else _trained(prepared)
    except (RuntimeError, ValueError, MemoryError, ConnectionError, EOFError) as error:
        raise machine_error(error, f"resume={folder.relative}") or error from None


def _trained(prepared: PreparedRun) -> dict[str, Any]:
    fitted = fit_run(prepared)
    if not fitted.writes:
        return {}
    if fitted.interrupted:
        raise _interrupted(prepared, fitted)
    return _finished(prepared, fitted.loggers)


def _evaluated(prepared: PreparedRun) -> dict[str, Any]:
    """Of a run whose evaluation was interrupted."""
    if rank_zero_only.rank:
        return {}
    prepared.load_weights()
    return _finished(prepared)


def _finished(prepared: PreparedRun, loggers: Sequence[Logger] = ()) -> dict[str, Any]:
    """Evaluate and report; a signal ends either at once."""
    relative = prepared.folder.relative
    with ended_at_once(f"interrupted in the evaluation, the training is over; go on with: resume={relative}"):
        summary = evaluate_run(prepared, loggers)
    with ended_at_once(f"interrupted while the page is written; write it with: ssl-pipeline report run={relative}"):
        close(loggers)
        report_run(prepared)
    return summary


def _interrupted(prepared: PreparedRun, fitted: FittedRun) -> BaseException:
    relative = prepared.folder.relative
    print(f"interrupted at step {fitted.summary['steps']}; go on with: resume={relative}")
    if fitted.signal != getattr(signal, "SIGUSR1", None):  # else the job ends in seconds
        write_page(prepared)
    close(fitted.loggers)
    if fitted.alarm is None:
        return Interrupted(fitted.signal)
    go_on = f"resume={relative} diagnostics.on_alarm=warn"
    return ValueError(f"{fitted.alarm}, or set allow_collapse=true; to go on from here: {go_on}")
