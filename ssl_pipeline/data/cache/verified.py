"""The check of a folder of decoded data, which one process of a launch does on each machine for the others there.

The first that comes checks and leaves a note beside the folder: of which launch it is, and of which folder. A launch is
known by the process that started its ranks: torchrun's agent, SLURM's step or, of Lightning, the first rank itself,
which has read its data before it starts the others.
"""

from __future__ import annotations

import os
import platform
import time
from contextlib import suppress
from pathlib import Path

from ssl_pipeline.data.cache.checksums import mismatch

_FRESH = 3600  # seconds for which a note holds: numbers of processes are given again


def verified_mismatch(place: Path) -> str | None:
    """See ``checksums.mismatch``; not looked for again where another process of this launch has found none."""
    if is_one_of_several() and _is_noted(place):
        return None
    found = mismatch(place)
    if found is None:
        note_whole(place)
    return found


def note_whole(place: Path) -> None:
    """Let the other processes of this launch know that a folder is whole."""
    with suppress(OSError):  # nothing can be written there: each checks for itself
        note = _note(place)
        new = note.with_name(f"{note.name}-{os.getpid()}")
        new.write_text(_said(place))
        os.replace(new, note)


def is_one_of_several() -> bool:
    """Whether other processes of the same launch may read the same data on this machine."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return int(os.environ.get("LOCAL_WORLD_SIZE", 1)) > 1
    return _is_started_by_lightning() or int(os.environ.get("SLURM_STEP_NUM_TASKS", 1)) > 1


def _is_started_by_lightning() -> bool:
    return os.environ.get("LOCAL_RANK", "0") != "0"


def _is_noted(place: Path) -> bool:
    try:
        state = _note(place).lstat()
        own = not hasattr(os, "geteuid") or state.st_uid == os.geteuid()
        return own and time.time() - state.st_mtime < _FRESH and _note(place).read_text() == _said(place)
    except OSError:
        return False


def _note(place: Path) -> Path:
    return place.with_name(f".{place.name}.checked-{platform.node()}")


def _said(place: Path) -> str:
    state, starter = place.stat(), os.getppid() if is_one_of_several() else os.getpid()
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return f"{starter} {attempt} {state.st_ino} {state.st_mtime_ns}\n"
