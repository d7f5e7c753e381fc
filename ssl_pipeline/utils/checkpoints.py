"""A run's checkpoints on disk: each is replaced in one go, and the one before is kept."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from zipfile import BadZipFile, ZipFile

LAST, PREVIOUS, UNREADABLE = "last.ckpt", "previous.ckpt", "unreadable.ckpt"


def replace(path: Path, write: Callable[[Path], None], *, mine: bool = True, unreadable: bool = False) -> None:
    """Write a checkpoint; a process that dies at any moment leaves the last one, or this one, and the one before.

    Args:
        path: of the checkpoint.
        write: writes to the path that it is given, a temporary file next to it.
        mine: whether this process is the one that writes; the others only take part in ``write``.
        unreadable: what lies there cannot be read: it is set aside and does not become the one before.

    Raises:
        OSError: there is no room, or no right to write; what was there is as it was.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        write(temporary)
        if not mine:
            return
        _to_disk(temporary)
        if path.exists() and unreadable:
            os.replace(path, path.with_name(UNREADABLE))
        elif path.exists():
            _keep(path, path.with_name(PREVIOUS))
        os.replace(temporary, path)
        _to_disk(path.parent)
    except OSError:
        if mine:
            temporary.unlink(missing_ok=True)
        raise


def newest(folder: Path) -> Path | None:
    """The newest checkpoint in a folder that can be read to its end; None where there is none.

    Args:
        folder: ``checkpoints`` in that of a run.
    """
    return next((path for name in (LAST, PREVIOUS) if is_readable(path := folder / name)), None)


def is_readable(path: Path) -> bool:
    """Whether a checkpoint is there and all its parts have the sums that were written with them."""
    try:
        with ZipFile(path) as file:
            return file.testzip() is None
    except (BadZipFile, OSError, EOFError, NotImplementedError):
        return False


def _keep(path: Path, under: Path) -> None:
    """Let another name stand for a file, whatever stood there; the file is never without a name."""
    twin = under.with_name(f".{under.name}.tmp")
    twin.unlink(missing_ok=True)
    try:
        os.link(path, twin)
    except OSError:  # a file system without links
        shutil.copyfile(path, twin)
        _to_disk(twin)
    os.replace(twin, under)
    twin.unlink(missing_ok=True)  # where both were names of one file already, nothing was moved


def _to_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    if path.is_dir() and os.name == "nt":
        return  # folders cannot be opened there
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
