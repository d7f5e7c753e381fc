"""Where results may go, asked before the work that leads to them."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile


def writable(out: Path, *, folder: bool = True) -> Path:
    """The same place, where something can be written.

    Args:
        out: a folder that is there or is to be made; or a file.
        folder: which of both.

    Raises:
        ValueError: nothing can be written there.
    """
    if not folder and out.is_dir():
        raise ValueError(f"out={out} is a folder: name a file, such as {out / 'out.json'}")
    place = out if folder else out.parent
    there = next(one for one in (place, *place.parents) if one.exists())
    if not there.is_dir():
        raise ValueError(f"out={out}: {there} is a file, and a folder is needed: take another place")
    try:
        TemporaryFile(dir=there).close()
    except OSError:
        raise ValueError(f"out={out}: nothing can be written in {there}: take another place") from None
    return out
