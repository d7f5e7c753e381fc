"""Files that cannot be read: how many may be left out, and what is said of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

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
        warnings.warn(f"{_named(paths, unreadable, thing)}; they are left out", stacklevel=3)


def refuse_unreadable(
    paths: Sequence[Path | str], unreadable: Unreadable, limit: float | int, thing: str = "image"
) -> None:
    """Refuse a set of which too much cannot be read.

    Raises:
        ValueError: more than the fraction ``limit`` of all files.
    """
    if not unreadable:
        return
    if len(unreadable) == len(paths):
        raise ValueError(f"{_named(paths, unreadable, thing)}: set data.root to a folder of intact {thing}s")
    if len(unreadable) > limit * len(paths):
        raise ValueError(
            f"{_named(paths, unreadable, thing)}: mend or remove them, or allow more with "
            f"unreadable.action=skip and unreadable.max_share"
        )


def warn_cut_short(paths: Sequence[Path | str], short: Sequence[int], thing: str) -> None:
    """Name the files that end too soon, by their numbers."""
    if short:
        some = "; ".join(str(paths[i]) for i in sorted(short)[:3])
        warnings.warn(
            f"{len(short)} of {len(paths)} {thing}s end before their headers say: {some}"
            f"{'; …' if len(short) > 3 else ''}; what there is of them is used",
            stacklevel=4,
        )


def _named(paths: Sequence[Path | str], unreadable: Unreadable, thing: str) -> str:
    some = "; ".join(f"{paths[i]} ({reason})" for i, reason in list(unreadable.items())[:3])
    more = "; …" if len(unreadable) > 3 else ""
    return f"{len(unreadable)} of {len(paths)} {thing}s cannot be read: {some}{more}"
