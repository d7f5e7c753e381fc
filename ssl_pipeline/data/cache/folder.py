"""A folder of decoded data, which the next run finds again."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import shutil
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from errno import EPERM
from pathlib import Path

from filelock import FileLock, Timeout

from ssl_pipeline.data.cache.checksums import flush, write_checksums
from ssl_pipeline.data.cache.verified import is_one_of_several, note_whole, verified_mismatch

_log = logging.getLogger(__name__)

_LAYOUT = 2  # of the folder: raise it when its files are laid out differently
_ENDS = 4096  # bytes at the head and at the tail by which a file is known
_AT_ONCE = 4096  # files that wait for a thread


def cache_folder(cache: str | Path | None) -> Path:
    """Where the mapped files lie: ``~/.cache/ssl_pipeline`` by default."""
    return Path(cache or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "ssl_pipeline")).expanduser()


def fingerprint(files: Sequence[Path], how: str) -> str:
    """A name for what comes out when these files, in their present state, are decoded this way.

    A file is known by its path, size, time and mode, and by what its head and its tail hold.
    """
    digest = hashlib.sha256(f"{_LAYOUT} {how}".encode())
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(files), _AT_ONCE):
            for state in pool.map(_state, files[start : start + _AT_ONCE]):
                digest.update(state)
    return digest.hexdigest()[:20]


def _state(file: Path) -> bytes:
    state = file.stat()
    known = (file.absolute(), state.st_size, state.st_mtime_ns, state.st_mode)  # the mode tells who may read it
    named = ("\0".join(map(str, known)) + "\n").encode(errors="surrogateescape")
    return named + hashlib.sha256(_ends(file, state.st_size)).digest()


def _ends(file: Path, size: int) -> bytes:
    try:
        with file.open("rb") as opened:
            head = opened.read(_ENDS)
            opened.seek(max(0, size - _ENDS))
            return head + opened.read(_ENDS)
    except OSError as error:  # whoever decodes it tells the reason
        return str(error.errno).encode()


def is_whole(place: Path) -> bool:
    """Whether a folder is there, one's own, and as ``whole_or_nothing`` left it."""
    try:
        if not place.is_dir() or not _is_own(place):
            return False
        with _others_waiting(place):
            _log.info("checking what was decoded before")
            return verified_mismatch(place) is None
    except FileNotFoundError:  # another process removes what is damaged
        return False


def _is_own(place: Path) -> bool:
    """Nobody else may say what a run learns from; ``place`` may be a link that somebody else laid."""
    if not hasattr(os, "geteuid"):  # Windows
        return True
    return all(one.lstat().st_uid == os.geteuid() for one in (place, *place.rglob("*")))


@contextmanager
def whole_or_nothing(place: Path) -> Iterator[Path | None]:
    """A folder to fill; it takes the name ``place`` in the end, so that nobody ever finds half of it.

    One process fills it. Others wait, and get None where it has come into being meanwhile. One that has been damaged
    since is removed, which is said, and filled anew.

    Raises:
        OSError: it cannot be made there, or belongs to another user.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    with _alone(_lock(place)):
        if place.is_dir():
            if not _is_own(place):
                raise PermissionError(EPERM, f"{place.name} there belongs to another user", str(place.parent))
            if (found := verified_mismatch(place)) is None:
                yield None
                return
            warnings.warn(f"{str(place)!r} is damaged, {found}: it is made anew", stacklevel=4)
            shutil.rmtree(place)
        # Locks may not reach other machines; on this one the folder can only be left from a process that was killed.
        temporary = place.with_name(f".unfinished-{place.name}-{platform.node()}")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(mode=0o700)  # pixels are for those who may read the files
        try:
            yield temporary
            write_checksums(temporary)
            try:
                os.rename(temporary, place)
            except OSError:
                if not place.is_dir():  # otherwise another machine was faster, with the same content
                    raise
            flush(place.parent)
            note_whole(place)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _lock(place: Path) -> Path:
    return place.with_name(f".{place.name}.lock")


@contextmanager
def _others_waiting(place: Path) -> Iterator[None]:
    """Let the other processes of a launch wait, where there are any; where files cannot be locked each goes on."""
    with ExitStack() as stack:
        if is_one_of_several():
            with suppress(OSError):
                stack.enter_context(_alone(_lock(place)))
        yield


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """One process at a time; the system lets go when a process dies."""
    lock = FileLock(file, fallback_to_soft=False)
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _log.info("another process decodes or checks the same data: waiting for it")
            lock.acquire()
    except NotImplementedError as error:
        raise OSError(f"files cannot be locked there: {error}") from error
    try:
        yield
    finally:
        lock.release()
