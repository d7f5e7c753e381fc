"""Checksums of a folder's files, by which damage is found."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

_NAME = "checksums.json"
_CHUNK = 2**24  # bytes of one checksum


def write_checksums(folder: Path) -> None:
    """Write the checksums of all files below a folder into it, and everything through to the disk.

    Without the latter, a file whose machine loses power soon after has the right size and holds zeros.

    Raises:
        OSError: no room, or the disk does not answer.
    """
    sums = {str(file.relative_to(folder)): _checksums(file) for file in _files(folder)}
    (folder / _NAME).write_text(json.dumps(sums))
    for place in (*folder.rglob("*"), folder):
        flush(place)


def flush(place: Path) -> None:
    """Write a file, or the names in a folder, through to the disk."""
    number = os.open(place, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def mismatch(folder: Path) -> str | None:
    """What is not as ``write_checksums`` found it; None: nothing."""
    try:
        expected = json.loads((folder / _NAME).read_text())
        found = {str(file.relative_to(folder)) for file in _files(folder)} - {_NAME}
        if odd := found.symmetric_difference(expected):
            return f"{min(odd)} is missing or was added"
        return next((f"{name} has changed" for name in found if _checksums(folder / name) != expected[name]), None)
    except (OSError, ValueError, TypeError) as error:
        return f"it cannot be read ({error})"


def _files(folder: Path) -> Iterator[Path]:
    return (file for file in sorted(folder.rglob("*")) if not file.is_dir())


def _checksums(file: Path) -> list[int]:
    """Of each chunk; their number tells the length."""
    with ThreadPoolExecutor() as pool:  # reading and zlib work outside the interpreter lock
        return list(pool.map(partial(_checksum, file), range(0, file.stat().st_size, _CHUNK)))


def _checksum(file: Path, start: int) -> int:
    with file.open("rb") as opened:
        opened.seek(start)
        return zlib.crc32(opened.read(_CHUNK))
