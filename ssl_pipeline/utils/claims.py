"""Folders that belong to one process at a time."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from ssl_pipeline.utils.places import refuse_link

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

LOCK = ".lock"
"""File in a run's folder that holds the host and the number of the process that trains in it, or did."""


def own_folder(path: Path) -> Path:
    """Make a new folder of this name; with ``_2``, ``_3`` ... where another process had the same name in mind.

    A folder of the name that is there already, and that no process has taken, is taken.

    Args:
        path: such as one named after the second in which a run begins.
    """
    for number in count(1):
        folder = path if number == 1 else path.with_name(f"{path.name}_{number}")
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(folder / LOCK, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
            return folder
    raise AssertionError


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder as long as this one works in it, or lives.

    The system gives the folder free when a process dies, however it does. Where the file system knows no locks, nothing
    is held. A folder in which nothing was written is removed afterwards.

    Raises:
        ValueError: another process holds it, or its lock is a link.
    """
    folder.mkdir(parents=True, exist_ok=True)
    refuse_link(folder / LOCK)
    lock = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), 0o644)
    try:
        _take(lock, folder)
        yield
    finally:
        os.close(lock)
        remove_unused(folder)


def remove_unused(folder: Path) -> None:
    """Remove a folder in which nothing was written."""
    with suppress(OSError):  # it is gone, or another process was quicker
        if {*os.listdir(folder)} <= {LOCK}:
            (folder / LOCK).unlink(missing_ok=True)
            folder.rmdir()


def _take(lock: int, folder: Path) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
            return
        host, _, process = os.read(lock, 300).decode(errors="replace").partition(" ")
        by = f"process {process.strip()} on {host}" if process else "another process"
        raise ValueError(f"{folder} is in use by {by}: wait until it ends, or take another folder") from None
    os.ftruncate(lock, 0)
    os.write(lock, f"{socket.gethostname()} {os.getpid()}\n".encode())
