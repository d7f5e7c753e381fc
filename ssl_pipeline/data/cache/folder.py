"""A folder of decoded data, which the next run finds again."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

_log = logging.getLogger(__name__)


def cache_folder(cache: str | Path | None) -> Path:
    """Where the mapped files lie: ``~/.cache/ssl_pipeline`` by default."""
    return Path(cache or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "ssl_pipeline")).expanduser()


def fingerprint(files: Sequence[Path], how: str) -> str:
    """A name for what comes out when these files, in their present state, are decoded this way."""
    digest = hashlib.sha256(how.encode())
    for file in files:
        state = file.stat()
        known = (file.absolute(), state.st_size, state.st_mtime_ns, state.st_mode)  # the mode tells who may read it
        digest.update(("\0".join(map(str, known)) + "\n").encode(errors="surrogateescape"))
    return digest.hexdigest()[:20]


@contextmanager
def whole_or_nothing(place: Path) -> Iterator[Path | None]:
    """A folder to fill; it takes the name ``place`` in the end, so that nobody ever finds half of it.

    One process fills it. Others wait, and get None where it has come into being meanwhile.

    Raises:
        OSError: it cannot be made there.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    with _alone(place.with_name(f".{place.name}.lock")):
        if place.is_dir():
            yield None
            return
        # Locks may not reach other machines; on this one the folder can only be left from a process that was killed.
        temporary = place.with_name(f".unfinished-{place.name}-{platform.node()}")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(mode=0o700)  # pixels are for those who may read the files
        try:
            yield temporary
            try:
                os.rename(temporary, place)
            except OSError:
                if not place.is_dir():  # otherwise another machine was faster, with the same content
                    raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """One process at a time; the system lets go when a process dies."""
    lock = FileLock(file, fallback_to_soft=False)
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _log.info("another process decodes the same data: waiting for it")
            lock.acquire()
    except NotImplementedError as error:
        raise OSError(f"files cannot be locked there: {error}") from error
    try:
        yield
    finally:
        lock.release()
