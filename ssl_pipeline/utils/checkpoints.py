"""A run's checkpoints on disk: each is replaced in one go, and the one before is kept."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from zipfile import BadZipFile, ZipFile

LAST, PREVIOUS, UNREADABLE, DIVERGED = "last.ckpt", "previous.ckpt", "unreadable.ckpt", "diverged.ckpt"


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


def step_back(folder: Path) -> None:
    """Set the last checkpoint aside, as one from which training diverges, and let the one before it be the last."""
    _keep(folder / LAST, folder / DIVERGED)
    os.replace(folder / PREVIOUS, folder / LAST)


def newest(folder: Path) -> Path | None:
    """The newest checkpoint in a folder without a ``checkpoint_error``; None where there is none.

    Args:
        folder: ``checkpoints`` in that of a run.
    """
    return next((path for name in (LAST, PREVIOUS) if checkpoint_error(path := folder / name) is None), None)


def checkpoint_error(path: Path) -> str | None:
    """Why training cannot go on from a checkpoint, as the end of a sentence about it; None where it can.

    Nothing that the file names is run.
    """
    if not is_readable(path):
        return "is damaged" if path.is_file() else "is missing"
    import torch  # only now: names are checked faster without

    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except UnpicklingError:
        return "holds more than tensors and plain values, so it is not loaded"
    except (RuntimeError, EOFError, KeyError, ValueError):
        return "is damaged"
    missing = [key for key in ("global_step", "state_dict") if not isinstance(content, dict) or key not in content]
    if missing:
        return f"is no checkpoint of a run, for it has no {missing[0]}"
    nan = next((key for key, value in content["state_dict"].items() if torch.isnan(torch.as_tensor(value)).any()), None)
    return None if nan is None else f"holds weights that are no numbers ({nan})"


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
