"""``ssl-pipeline train OVERRIDES...``; ``train.py OVERRIDES...`` is the same call."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from ssl_pipeline.cli.process import (
    RUN_DIR,
    announce_folder,
    announced_folder,
    changed_process,
    end_process,
    is_by_torchrun,
    leave_group,
    plain_warnings,
    print_error,
    replayed,
)
from ssl_pipeline.config.compose import VERSION_BASE, conf_dir, explained, finish, is_further_rank, quoted, set_up_hydra
from ssl_pipeline.config.model_options import open_options
from ssl_pipeline.utils.auto import AUTO
from ssl_pipeline.utils.claims import own_folder, remove_unused
from ssl_pipeline.utils.errors import Finished, Interrupted

_Run = Callable[[dict[str, Any], str], Any]


class Reported(Exception):
    """A job of a sweep failed and said so, maybe on another machine: the sentence and the process that said it."""


@dataclass
class _Call:
    """One call of ``train``: its words, and whether one of its jobs was in a process group."""

    arguments: list[str]
    command: list[str]
    config_dir: str | None
    run: _Run | None
    wants_traceback: bool
    grouped: bool = False


def train(arguments: list[str] | None = None, *, run: _Run | None = None, command: list[str] | None = None) -> int:
    """Compose the configuration and train: returns the exit code.

    Args:
        arguments: overrides and Hydra's flags, by default those of the process.
        run: what to call with each job's configuration and folder, by default ``ssl_pipeline.training.run``.
        command: words of the command line in front of ``arguments``.
    """
    arguments = open_options(sys.argv[1:] if arguments is None else arguments)
    flags = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    flags.add_argument("--config-dir", "-cd")
    config_dir = flags.parse_known_args(arguments)[0].config_dir
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1" or "debug=true" in [a.lower() for a in arguments]
    call = _Call(arguments, command or [], config_dir, run, wants_traceback)
    set_up_hydra()

    @hydra.main(version_base=VERSION_BASE, config_path=str(conf_dir().resolve()), config_name="train")
    def job(cfg: DictConfig) -> None:
        _run_job(cfg, call)

    code = _exit_code(job, call)
    if call.grouped:
        end_process(code)
    return code


def _run_job(cfg: DictConfig, call: _Call) -> None:
    """One job of a sweep, or the only one.

    Raises:
        Reported: a job of a sweep failed, and its sentence is printed.
        SystemExit: the only job did.
    """
    settings = HydraConfig.get()
    searched = [o for o in settings.overrides.hydra if o.lstrip("+").startswith("hydra.searchpath=")]
    overrides = [*searched, *settings.overrides.task]
    sweeps = settings.mode == RunMode.MULTIRUN
    if sweeps:
        print(f"job {settings.job.num}: {' '.join(settings.overrides.task)}", file=sys.stderr)
    folder, auto = settings.runtime.output_dir, cfg.resume == AUTO
    named = any(one.startswith("hydra.run.dir=") for one in settings.overrides.hydra) or cfg.resume is not None
    if not (named or is_further_rank()):
        folder = str(own_folder(Path(folder)))
    try:
        config = finish(cfg, overrides, call.config_dir, folder, settings.runtime.choices)
        again = [*call.command, *([] if call.config_dir is None else ["--config-dir", call.config_dir]), *overrides]
        if is_by_torchrun() and not is_further_rank():
            announce_folder(folder)
        with replayed(again, folder):
            try:
                (call.run or _training())(config, folder)
            except Finished as done:
                if not auto:
                    raise
                print(f"nothing to do: {done}")
            finally:
                call.grouped |= leave_group()
    except Exception as error:
        sentence = explained(error, overrides, call.config_dir)
        print_error(sentence, error if call.wants_traceback or cfg.debug else None)
        remove_unused(Path(folder))
        # Later jobs of a sweep still run; Hydra raises the first failure at the end.
        raise (Reported(sentence, os.getpid()) if sweeps else SystemExit(1)) from error


def _exit_code(job: Callable[..., Any], call: _Call) -> int:
    """What all jobs of a call come to."""
    if is_by_torchrun() and is_further_rank():
        os.environ[RUN_DIR] = announced_folder()
    child = [f"hydra.run.dir={quoted(os.environ[RUN_DIR])}"] if is_further_rank() and RUN_DIR in os.environ else []
    try:
        # With HYDRA_FULL_ERROR errors get here.
        with changed_process([sys.argv[0], *call.arguments, *child], HYDRA_FULL_ERROR="1"), plain_warnings():
            job()
    except Reported as error:
        sentence, process = error.args
        if process != os.getpid():  # a launcher's
            print_error(sentence, None)
        return 1
    except KeyboardInterrupt as stop:
        print("interrupted", file=sys.stderr)
        return stop.code if isinstance(stop, Interrupted) else 130
    except Exception as error:
        overrides = [a for a in call.arguments if not a.startswith("-")]
        print_error(explained(error, overrides, call.config_dir), error if call.wants_traceback else None)
        return 1
    except SystemExit as stop:
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0


def _training() -> _Run:
    from ssl_pipeline.training import run  # only now: it imports torch, and names are checked faster without

    return run
