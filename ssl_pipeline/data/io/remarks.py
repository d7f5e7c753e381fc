"""Files that are read otherwise than they may be meant: what is said of them, once a set and kind."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

Remarks = dict[str, dict[int, str]]
"""By kind, a key of ``REMARKS``: numbers of files, and what each has of it."""

Note = Callable[[str, str], None]
"""Takes a kind of remark and what a file has of it."""


class Remark(NamedTuple):
    """A sentence about some files: NUMBER of ALL things ``what``: FILES; ``done``."""

    what: str
    done: str


REMARKS = {
    "cut_short": Remark("end before their headers say", "what there is of them is used"),
    "outside": Remark(
        "hold values outside the range", "these are cut off; to keep them, train with data.range=[low,high]"
    ),
    "fourth": Remark(
        "have a fourth band that channels=1 and channels=3 do not keep",
        "set data.channels=4 if it is a measured band and no transparency",
    ),
    "pages": Remark(
        "hold several pages, of which the first was taken",
        "set data.pages=channels and data.channels to their number to take all as channels",
    ),
    "reduced": Remark(
        "have 16 bits a band, which are read as 8 for the range 0 to 65535", "set data.range=[low,high] for another"
    ),
    "shallow": Remark(
        "have 8 bits, and the range of the model or set ends above 255",
        "their values are taken as they are, which makes them dark: use files of the range, or scale these to it",
    ),
}


def silent(kind: str, detail: str) -> None:
    """Note nothing."""


def say(kind: str, detail: str) -> None:
    """Warn of files that nobody counts; Python shows the same sentence once."""
    warnings.warn(f"some images {REMARKS[kind].what}; {REMARKS[kind].done}", stacklevel=2)


def noting(remarks: Remarks, number: int) -> Note:
    """What notes remarks about one file."""
    return lambda kind, detail: remarks.setdefault(kind, {}).__setitem__(number, detail)


def warn_remarks(paths: Sequence[Path | str], remarks: Mapping[str, Mapping[int, str]], thing: str = "image") -> None:
    """One sentence for each kind, which names the first three files."""
    for kind, found in remarks.items():
        if found:
            done = REMARKS[kind].done
            warnings.warn(f"{listed(paths, found, f'{thing}s {REMARKS[kind].what}')}; {done}", stacklevel=4)


def remark_lines(paths: Sequence[Path | str], remarks: Mapping[str, Mapping[int, str]]) -> list[str]:
    """A line for each file and remark.

    >>> remark_lines(["a.png", "b.png"], {"reduced": {1: ""}})
    ['b.png: have 16 bits a band, which are read as 8 for the range 0 to 65535']
    """
    return [
        f"{paths[i]}: {REMARKS[kind].what}" + (f" ({detail})" if detail else "")
        for kind, found in remarks.items()
        for i, detail in sorted(found.items())
    ]


def listed(paths: Sequence[Path | str], found: Mapping[int, str], what: str) -> str:
    """Some files in words.

    >>> listed(["a.png", "b.png"], {1: "5 pages"}, "images hold pages")
    '1 of 2 images hold pages: b.png (5 pages)'
    """
    first = [f"{paths[i]} ({found[i]})" if found[i] else str(paths[i]) for i in sorted(found)[:3]]
    more = "; …" if len(found) > 3 else ""
    return f"{len(found)} of {len(paths)} {what}: {'; '.join(first)}{more}"
