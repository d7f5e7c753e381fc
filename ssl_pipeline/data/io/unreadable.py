"""Files and rows that cannot be read: how many may be left out, and what is said of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from ssl_pipeline.data.io.remarks import listed

Unreadable = Mapping[int, str]
"""Why a file could not be read, by its number."""

_ADVICE = "mend or remove them, or allow more with unreadable.action=skip and unreadable.max_share"
_AT_LEAST = 1000  # samples of a stream that a share of them is taken of


def check_unreadable(
    paths: Sequence[Path | str], unreadable: Unreadable, limit: float | int, thing: str = "image"
) -> None:
    """Name the files that are left out.

    Raises:
        ValueError: more than the fraction ``limit`` of all files.
    """
    refuse_unreadable(paths, unreadable, limit, thing)
    if unreadable:
        warnings.warn(f"{listed(paths, unreadable, f'{thing}s cannot be read')}; they are left out", stacklevel=3)


def refuse_unreadable(
    paths: Sequence[Path | str], unreadable: Unreadable, limit: float | int, thing: str = "image"
) -> None:
    """Refuse a set of which too much cannot be read.

    Raises:
        ValueError: more than the fraction ``limit`` of all files.
    """
    if not unreadable:
        return
    what = listed(paths, unreadable, f"{thing}s cannot be read")
    if len(unreadable) == len(paths):
        raise ValueError(f"{what}: choose a set of intact {thing}s")
    if len(unreadable) > limit * len(paths):
        raise ValueError(f"{what}: {_ADVICE}")


class StreamTally:
    """How many samples of a stream could not be read, in one pass over it.

    Args:
        limit: largest fraction to leave out before stopping; of the first 1,000 samples, or of all that were read.
    """

    def __init__(self, limit: float | int) -> None:
        self.limit = limit
        self.read = self.failed = self._named = 0

    def add(self, count: int, unreadable: Unreadable) -> None:
        """Count some more samples; warn at the first that cannot be read, and whenever they are ten times as many.

        Raises:
            ValueError: too many.
        """
        self.read, self.failed = self.read + count, self.failed + len(unreadable)
        if not unreadable:
            return
        number, reason = next(iter(unreadable.items()))
        said = f"{self.failed} of {self.read} samples of a stream cannot be read, as sample {number} ({reason})"
        if self.failed > self.limit * max(self.read, _AT_LEAST):
            raise ValueError(f"{said}: {_ADVICE}")
        if self.failed >= 10 * self._named:
            self._named = self.failed
            warnings.warn(f"{said}; they are left out", stacklevel=3)
