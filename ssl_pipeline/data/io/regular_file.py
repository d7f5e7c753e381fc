"""What is no file, from which reading may never end."""

from __future__ import annotations

import stat
from pathlib import Path


def check_regular(file: str | Path) -> None:
    """Refuse folders, pipes and devices.

    Raises:
        FileNotFoundError: there is nothing.
        ValueError: it is no file.
    """
    if not stat.S_ISREG(Path(file).stat().st_mode):
        raise ValueError("it is a folder, a pipe or a device: expected a file")
