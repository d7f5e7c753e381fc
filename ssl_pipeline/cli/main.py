"""The command line: ``ssl-pipeline train OVERRIDES...``; ``train.py OVERRIDES...`` is the same call."""

from __future__ import annotations

import argparse
import atexit
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from ssl_pipeline.config.chosen import open_options
from ssl_pipeline.config.compose import VERSION_BASE, conf_dir, explained, finish, is_further_rank, quoted, register
from ssl_pipeline.utils.errors import HINT, Interrupted, nearest

RUN_DIR = "SSL_PIPELINE_RUN_DIR"
RANKS = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")
_Run = Callable[[dict[str, Any], str], Any]


class Reported(Exception):
    """A job of a sweep failed and said so, maybe on another machine: the sentence and the process that said it."""


def main(arguments: list[str] | None = None) -> int:
    """``ssl-pipeline COMMAND ...``: returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    name, *rest = arguments or ["--help"]
    if name in ("-h", "--help", "help"):
        print("ssl-pipeline COMMAND [ARGUMENTS]  (each COMMAND has its own --help)\n")
        print("\n".join(f"  {name:<10}{what}" for name, (_, what) in COMMANDS.items()))
        return 0
    if name not in COMMANDS:
        print(f"error: there is no command {name!r}; {nearest(name, COMMANDS)}", file=sys.stderr)
        return 1
    return COMMANDS[name][0](rest, command=[name])


def train(arguments: list[str] | None = None, *, run: _Run | None = None, command: list[str] | None = None) -> int:
    """Compose the configuration and train: returns the exit code.

    Args:
        arguments: overrides and Hydra's flags, by default those of the process.
        run: what to call with each job's configuration and folder, by default ``ssl_pipeline.training.run``.
        command: words of the command line in front of ``arguments``.
    """
    arguments = open_options(sys.argv[1:] if arguments is None else arguments)
    command = command or []
    flags = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    flags.add_argument("--config-dir", "-cd")
    config_dir = flags.parse_known_args(arguments)[0].config_dir
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1" or "debug=true" in [a.lower() for a in arguments]
    register()
    grouped = False

    @hydra.main(version_base=VERSION_BASE, config_path=str(conf_dir().resolve()), config_name="train")
    def job(cfg: DictConfig) -> None:
        nonlocal grouped
        settings = HydraConfig.get()
        searched = [o for o in settings.overrides.hydra if o.lstrip("+").startswith("hydra.searchpath=")]
        overrides = [*searched, *settings.overrides.task]
        sweeps = settings.mode == RunMode.MULTIRUN
        if sweeps:
            print(f"job {settings.job.num}: {' '.join(settings.overrides.task)}", file=sys.stderr)
        folder = settings.runtime.output_dir
        try:
            config = finish(cfg, overrides, config_dir, folder)
            again = [*command, *([] if config_dir is None else ["--config-dir", config_dir]), *overrides]
            if _by_torchrun() and not is_further_rank():
                _store().set(_KEY, folder)
            with _replayed(again, folder):
                try:
                    (run or _training())(config, folder)
                finally:
                    grouped |= _leave_group()
        except Exception as error:
            sentence = explained(error, overrides, config_dir)
            _report(sentence, error if wants_traceback or cfg.debug else None)
            with suppress(OSError):  # it holds files
                os.rmdir(folder)
            # Later jobs of a sweep still run; Hydra raises the first failure at the end.
            raise (Reported(sentence, os.getpid()) if sweeps else SystemExit(1)) from error

    if _by_torchrun() and is_further_rank():
        os.environ[RUN_DIR] = _store().get(_KEY).decode()  # waits until rank 0 knows it
    child = [f"hydra.run.dir={quoted(os.environ[RUN_DIR])}"] if is_further_rank() and RUN_DIR in os.environ else []

    def exit_code() -> int:
        try:
            # With HYDRA_FULL_ERROR errors get here.
            with _process([sys.argv[0], *arguments, *child], HYDRA_FULL_ERROR="1"), _plain_warnings():
                job()  # pyright: ignore[reportCallIssue]
        except Reported as error:
            sentence, process = error.args
            if process != os.getpid():  # a launcher's
                _report(sentence, None)
            return 1
        except KeyboardInterrupt as stop:
            print("interrupted", file=sys.stderr)
            return stop.code if isinstance(stop, Interrupted) else 130
        except Exception as error:
            overrides = [a for a in arguments if not a.startswith("-")]
            _report(explained(error, overrides, config_dir), error if wants_traceback else None)
            return 1
        except SystemExit as stop:
            if isinstance(stop.code, str):
                print(stop.code, file=sys.stderr)
            return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        return 0

    code = exit_code()
    if grouped:
        _end_process(code)
    return code


def _with_a_run(name: str) -> Callable[..., int]:
    """What calls one of the commands that need a run; they are imported only then."""

    def call(arguments: list[str] | None = None, *, command: list[str] | None = None) -> int:
        from ssl_pipeline.cli import commands

        return commands.command(getattr(commands, name), sys.argv[1:] if arguments is None else arguments)

    return call


export, embed, evaluate, restore, cycles = map(_with_a_run, ("export", "embed", "evaluate", "restore", "cycles"))
report, compare, draw_dag = map(_with_a_run, ("report", "compare", "draw_dag"))
COMMANDS: dict[str, tuple[Callable[..., int], str]] = {
    "train": (train, "pretrain: corruption=mask+noise data=digits ..."),
    "evaluate": (evaluate, "probes with their baselines: run=FOLDER data=... finetune=10 ..."),
    "export": (export, "one model of a run, by itself: run=FOLDER part=encoder format=onnx ..."),
    "embed": (embed, "a data set or a folder of files: run=FOLDER source=FOLDER out=FOLDER ..."),
    "restore": (restore, "corrupted files: run=FOLDER view=noise source=FOLDER out=FOLDER ..."),
    "report": (report, "a run's page, made again: run=FOLDER"),
    "compare": (compare, "runs side by side on one page: FOLDER FOLDER ... out=compare.html"),
    "draw_dag": (draw_dag, "a picture of a graph: corruption=mask+noise objective=... out=dag.svg"),
    "cycles": (cycles, "how well the halves of every cut undo each other: run=FOLDER"),
}


def _training() -> _Run:
    from ssl_pipeline.training import run  # only now: it imports torch, and names are checked faster without

    return run


_KEY = "ssl_pipeline/run_dir"


def _by_torchrun() -> bool:
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"


def _store() -> Any:
    """Torchrun's own, by which processes that it started at the same time agree on one folder."""
    from torch.distributed import TCPStore  # pyright: ignore[reportPrivateImportUsage]

    return TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False)


@contextmanager
def _replayed(arguments: list[str], run_dir: str) -> Iterator[None]:
    """Have Lightning, which replays the command line, start its further ranks as this one job in this folder."""
    # It leaves its variables and its process group behind, and the next job of a sweep would take them for its own.
    ranks = {name: os.environ.get(name) for name in RANKS}
    with _process([sys.argv[0], *arguments], HYDRA_FULL_ERROR=None, **{RUN_DIR: run_dir}, **ranks):
        yield


def _leave_group() -> bool:
    """Leave the process group, if this process is in one: whether it was."""
    distributed = sys.modules.get("torch.distributed")  # not imported for its own sake
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return False
    distributed.destroy_process_group()
    return True


def _end_process(code: int) -> NoReturn:
    """Exit without the interpreter's finalization, for processes that were in a group.

    Weights in shards keep their group alive, and one of its threads that lets go of a tensor in the course of the
    finalization aborts the process (pytorch issue 190489).
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Warnings without the lines of code that they come from."""
    old = warnings.formatwarning
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    try:
        yield
    finally:
        warnings.formatwarning = old


@contextmanager
def _process(argv: list[str], **environment: str | None) -> Iterator[None]:
    """Other arguments and environment variables for a while; None removes one."""
    old_argv, old = sys.argv, {name: os.environ.get(name) for name in environment}
    sys.argv = argv
    _set(environment)
    try:
        yield
    finally:
        sys.argv = old_argv
        _set(old)


def _set(environment: dict[str, str | None]) -> None:
    for name, value in environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _report(sentence: str, error: BaseException | None) -> None:
    if error is not None:
        traceback.print_exception(error)
        sentence = sentence.removesuffix(HINT)
    print(f"error: {sentence}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
