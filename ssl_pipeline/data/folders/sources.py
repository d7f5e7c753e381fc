"""What files were taken from, told by their names: the patches of one slide, the pictures of one patient."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Int64
from torch import Tensor

_PREFIX = re.compile(r"([^/]+?)[_\-][^/]*$")


def sources_of(
    files: Mapping[str, Sequence[Path]], source: str, classes: Sequence[str] | None
) -> dict[str, Int64[Tensor, "N"]]:
    """What the files of each part were taken from, by number; one name is one source wherever it lies.

    Args:
        files: below the folder of each part.
        source: "file", each its own; "folder", the one that it lies in, below that of its class; "prefix", its name up
            to the first _ or -; or a regular expression, whose first group (or all that it finds) names the source.
        classes: names of the top-level folders, where they are classes.

    Raises:
        ValueError: no regular expression, or a file of which it finds nothing.

    >>> sources_of({"train": [Path("p1_a.png"), Path("p1_b.png"), Path("p2_a.png")]}, "prefix", None)["train"]
    tensor([0, 0, 1])
    """
    named = {part: [_name(file, source, classes) for file in some] for part, some in files.items()}
    names = sorted({name for some in named.values() for name in some})
    number = {name: i for i, name in enumerate(names)}
    _warn_of_both(named)
    return {part: torch.tensor([number[name] for name in some]) for part, some in named.items()}


def _name(file: Path, source: str, classes: Sequence[str] | None) -> str:
    path = file.as_posix()
    if source == "folder":
        folders = file.parent.parts[1:] if classes is not None else file.parent.parts
        if not folders:
            below = "below that of its class" if classes is not None else "of its own"
            raise ValueError(f"data.source=folder: {path} lies in no folder {below}: take prefix or an expression")
        return "/".join(folders)
    if source == "prefix":
        found = _PREFIX.search(path)
    else:
        try:
            found = re.search(source, path)
        except re.error as error:
            raise ValueError(f"data.source={source}: expected {_EXPECTED} ({error})") from None
    if found is None:
        what = "the name has no _ or -" if source == "prefix" else "the expression finds nothing in it"
        raise ValueError(f"data.source={source}: {what} in {path}; expected {_EXPECTED} that each path has")
    return found[1] if found.re.groups and found[1] is not None else found[0]


_EXPECTED = "file, folder, prefix, or a regular expression"


def _warn_of_both(named: Mapping[str, Sequence[str]]) -> None:
    """Say which sources lie on both sides of a split that the folders made."""
    both = sorted(set.intersection(*map(set, named.values()))) if len(named) > 1 else []
    if both:
        some = ", ".join(both[:3]) + (", ..." if len(both) > 3 else "")
        warnings.warn(
            f"{len(both)} of the sources lie in {' and in '.join(named)}: {some}; scores of the test part are too good "
            f"by them",
            stacklevel=3,
        )
