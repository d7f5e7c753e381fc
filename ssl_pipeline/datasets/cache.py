"""Decoded data in mapped files, which the next run finds again."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

MEMORY_LIMIT = 2 * 1024**3  # bytes of decoded data


def check_in_memory(in_memory: bool | str) -> None:
    """Refuse any word but "auto".

    Raises:
        ValueError: ``in_memory`` is neither a bool nor "auto".
    """
    if in_memory not in (True, False, "auto"):
        raise ValueError(f"expected in_memory to be auto, true or false, got {in_memory!r}")


def cache_folder(cache: str | Path | None) -> Path:
    """Where the mapped files lie: ``~/.cache/ssl_pipeline`` by default."""
    return Path(cache or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "ssl_pipeline")).expanduser()


def fingerprint(files: Sequence[Path], how: str) -> str:
    """A name for what comes out when these files, in their present state, are decoded this way."""
    digest = hashlib.sha256(how.encode())
    for file in files:
        state = file.stat()
        digest.update(f"{file.absolute()}\0{state.st_size}\0{state.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:20]


@contextmanager
def whole_or_nothing(place: Path) -> Iterator[Path]:
    """A folder to fill; it takes the name ``place`` in the end, so that nobody ever finds half of it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=place.parent, prefix=".unfinished-"))
    try:
        yield temporary
        try:
            os.rename(temporary, place)
        except OSError:
            if not place.is_dir():  # otherwise another process was faster, with the same content
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
