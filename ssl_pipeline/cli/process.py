"""The process that a command runs in: its arguments and variables, the ranks that replay it, its errors and end."""

from __future__ import annotations

import atexit
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from ssl_pipeline.utils.errors import HINT

RUN_DIR = "SSL_PIPELINE_RUN_DIR"
RANKS = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")
_KEY = "ssl_pipeline/run_dir"


def is_by_torchrun() -> bool:
    """Whether torchrun started this process."""
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"


def announce_folder(folder: str) -> None:
    """Let the further ranks that torchrun started know the run's folder."""
    _store().set(_KEY, folder)


def announced_folder() -> str:
    """What rank 0 announces; waits until it does."""
    return _store().get(_KEY).decode()


def _store() -> Any:
    """Torchrun's own, by which processes that it started at the same time agree on one folder."""
    from torch.distributed import TCPStore  # pyright: ignore[reportPrivateImportUsage]

    return TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False)


@contextmanager
def replayed(arguments: list[str], run_dir: str) -> Iterator[None]:
    """Have Lightning, which replays the command line, start its further ranks as this one job in this folder."""
    # It leaves its variables and its process group behind, and the next job of a sweep would take them for its own.
    ranks = {name: os.environ.get(name) for name in RANKS}
    with changed_process([sys.argv[0], *arguments], HYDRA_FULL_ERROR=None, **{RUN_DIR: run_dir}, **ranks):
        yield


def leave_group() -> bool:
    """Leave the process group, if this process is in one: whether it was."""
    distributed = sys.modules.get("torch.distributed")  # not imported for its own sake
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return False
    distributed.destroy_process_group()
    return True


def end_process(code: int) -> NoReturn:
    """Exit without the interpreter's finalization, for processes that were in a group.

    Weights in shards keep their group alive, and one of its threads that lets go of a tensor in the course of the
    finalization aborts the process (pytorch issue 190489).
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Warnings without the lines of code that they come from."""
    old = warnings.formatwarning
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    try:
        yield
    finally:
        warnings.formatwarning = old


@contextmanager
def changed_process(argv: list[str], **environment: str | None) -> Iterator[None]:
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


def print_error(sentence: str, error: BaseException | None) -> None:
    """One line on the error stream, after the traceback of an error, if any."""
    if error is not None:
        traceback.print_exception(error)
        sentence = sentence.removesuffix(HINT)
    print(f"error: {sentence}", file=sys.stderr)
