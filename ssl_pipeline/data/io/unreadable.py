"""Files that cannot be read: how many may be left out, and what is said of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from ssl_pipeline.data.io.remarks import named

Unreadable = Mapping[int, str]
"""Why a file could not be read, by its number."""


def check_unreadable(
    paths: Sequence[Path | str], unreadable: Unreadable, limit: float | int, thing: str = "image"
) -> None:
    """Name the files that are left out.

    Raises:
        ValueError: more than the fraction ``limit`` of all files.
    """
    refuse_unreadable(paths, unreadable, limit, thing)
    if unreadable:
        warnings.warn(f"{named(paths, unreadable, f'{thing}s cannot be read')}; they are left out", stacklevel=3)


def refuse_unreadable(
    paths: Sequence[Path | str], unreadable: Unreadable, limit: float | int, thing: str = "image"
) -> None:
    """Refuse a set of which too much cannot be read.

    Raises:
        ValueError: more than the fraction ``limit`` of all files.
    """
    what = named(paths, unreadable, f"{thing}s cannot be read")
    if unreadable and len(unreadable) == len(paths):
        raise ValueError(f"{what}: set data.root to a folder of intact {thing}s")
    if len(unreadable) > limit * len(paths):
        raise ValueError(
            f"{what}: mend or remove them, or allow more with unreadable.action=skip and unreadable.max_share"
        )
