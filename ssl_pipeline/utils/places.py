"""Where files lie and where results may go, asked before the work that leads to them."""

from __future__ import annotations

import os
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryFile


def existing(source: Path) -> Path:
    """The same place, where there is something.

    Raises:
        FileNotFoundError: there is nothing.
    """
    if not source.exists():
        raise FileNotFoundError(f"there is no {source}: set source to a file, or to a folder of files")
    return source


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


def refuse_links(folder: Path) -> None:
    """Refuse to write into a folder that may be a stranger's and lead elsewhere.

    Raises:
        ValueError: there is a symbolic link in it.
    """
    for place, folders, names in os.walk(folder):
        for name in (*folders, *names):
            refuse_link(Path(place, name))


def refuse_link(file: Path) -> None:
    """Refuse to write through a symbolic link.

    Raises:
        ValueError: it is one.
    """
    if file.is_symlink():
        raise ValueError(f"{file} is a link, so a run would write elsewhere: put a copy in its place")


def replace_text(path: Path, text: str) -> None:
    """Write a file in one go, in the place of what was there: a link or half a file never comes of it."""
    new = path.with_name(f".{path.name}.{token_hex(4)}.tmp")
    with new.open("x", encoding="utf-8") as file:  # which follows no link
        file.write(text)
    os.replace(new, path)
