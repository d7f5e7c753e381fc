"""Files of a folder: where they lie, which part each belongs to, and their classes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Int64
from torch import Tensor

_TEST_FOLDERS = ("test", "val", "valid", "validation")
_OF_A_RUN = {"config.yaml", "checkpoints"}
"""What lies in the folder of a run, whose pictures are no data."""
_OF_RUNS = ("outputs", "multirun")
"""Folders in which runs are put where nobody names another."""


@dataclass(frozen=True)
class Tree:
    """A tree of files.

    Attributes:
        name: of the folder.
        files: below the folder of each part, ``train`` and maybe ``test``, sorted.
        places: the folder of each part.
        classes: names of the classes; None: it has none.
    """

    name: str
    files: dict[str, list[Path]]
    places: dict[str, Path]
    classes: tuple[str, ...] | None

    @classmethod
    def of(
        cls,
        root: Path,
        endings: tuple[str, ...],
        labels: bool | str = "auto",
        thing: str = "image",
        advice: str = "set data.root to another folder",
    ) -> Tree:
        """The files below a folder; its top-level folders are classes, or ``train`` and ``test``, or mean nothing.

        Args:
            root: the folder.
            endings: of the files, with their dots.
            labels: take the top-level folders as classes; "auto": where every file lies in one of at least two.
            thing: what a file holds.
            advice: what to do where there are none.

        Raises:
            FileNotFoundError: no such folder, or no such file in it.
            NotADirectoryError: a file.
            ValueError: no classes where ``labels`` is true.
        """
        places = find_parts(root, thing)
        files = {part: list_files(place, endings, thing, advice) for part, place in places.items()}
        return cls(root.resolve().name, files, places, choose_classes(files, labels, str(root), thing))

    @property
    def has_test(self) -> bool:
        """Whether the folder itself says what is held out."""
        return "test" in self.places

    def paths(self, part: str) -> list[Path]:
        """The files of a part."""
        return [self.places[part] / file for file in self.files[part]]

    def labels(self, part: str) -> Int64[Tensor, "N"] | None:
        """The class of each file of a part; None: there are no classes."""
        if self.classes is None:
            return None
        return torch.tensor([self.classes.index(file.parts[0]) for file in self.files[part]])


def find_parts(root: Path, thing: str = "image") -> dict[str, Path]:
    """Where the images (or another ``thing``) to train and, if they lie apart, to test on are.

    Raises:
        FileNotFoundError: there is nothing.
        NotADirectoryError: there is a file.
    """
    if not root.exists():
        raise FileNotFoundError(f"there is no folder {str(root)!r}: set data.root to a folder of {thing}s")
    if not root.is_dir():
        raise NotADirectoryError(
            f"expected a folder of {thing}s, got the file {str(root)!r}: set data.root to its folder"
        )
    if not (root / "train").is_dir():
        return {"train": root}
    test = next((root / name for name in _TEST_FOLDERS if (root / name).is_dir()), None)
    known = ("train", *_TEST_FOLDERS, *_OF_RUNS)
    others = [p for p in root.iterdir() if p.is_dir() and p.name not in known and p.name[0] != "."]
    if others and test is None:  # "train" next to "car" and "plane" is a class
        return {"train": root}
    return {"train": root / "train"} if test is None else {"train": root / "train", "test": test}


def list_files(
    root: Path, endings: tuple[str, ...], thing: str = "image", advice: str = "set data.root to another folder"
) -> list[Path]:
    """Paths below ``root`` of all regular files with such an ending, sorted; see ``entries_below``.

    Args:
        root: the folder.
        endings: with their dots.
        thing: what a file holds.
        advice: what to do where there are none.

    Raises:
        FileNotFoundError: there are none.
    """
    found, odd = [], []
    for entry in entries_below(root):
        if entry.name.lower().endswith(endings):
            (found if entry.is_file() else odd).append(Path(entry.path))
    if odd:
        some = ", ".join(str(path.relative_to(root)) for path in odd[:5])
        warnings.warn(
            f"{len(odd)} of the names in {str(root)!r} are no files but links to nothing, pipes or devices: {some}"
            f"{', ...' if len(odd) > 5 else ''}; they are left out",
            stacklevel=3,
        )
    if not found:
        rest = f" or {len(endings) - 5} others" if len(endings) > 5 else ""
        raise FileNotFoundError(
            f"there is no {thing} in {str(root)!r}: expected files ending in {', '.join(endings[:5])}{rest}; {advice}"
        )
    return sorted(file.relative_to(root) for file in found)


def entries_below(root: Path) -> Iterator[os.DirEntry[str]]:
    """What lies in the folders below one, those themselves not included; links are followed.

    Hidden names do not count, nor do folders of runs. A folder that several links lead to is taken once, under the
    first name in alphabetical order.
    """
    seen, open_ones = set(), [str(root)]
    while open_ones:
        place = open_ones.pop()
        if (real := os.path.realpath(place)) in seen:  # a link back up would go round for ever
            continue
        seen.add(real)
        with os.scandir(place) as listed:
            entries = sorted((one for one in listed if one.name[0] != "."), key=lambda one: one.name)
        if place != str(root) and {one.name for one in entries} >= _OF_A_RUN:
            continue
        open_ones += [one.path for one in reversed(entries) if one.is_dir()]
        yield from (one for one in entries if not one.is_dir())


def choose_classes(
    files: dict[str, list[Path]], labels: bool | str, root: str, thing: str = "image"
) -> tuple[str, ...] | None:
    """Names of the classes, if the option ``labels`` wants them and the folders allow it.

    Raises:
        ValueError: ``labels`` is neither a bool nor "auto", or it is true and there are no class folders.
    """
    if labels not in (True, False, "auto"):
        raise ValueError(f"expected labels to be auto, true or false, got {labels!r}")
    classes = find_classes(files) if labels else None
    if classes is None and labels is True:
        raise ValueError(
            f"{root!r} has no class folders: expected every {thing} in one of at least two top-level folders, "
            f"and some of the same for testing; sort the {thing}s or set data.labels=false"
        )
    return classes


def find_classes(files: dict[str, list[Path]]) -> tuple[str, ...] | None:
    """Names of the top-level folders, if all files lie in one, there are at least two, and testing has one of these.

    A class that stands in the test part alone is named: nothing can be learned of it.

    >>> find_classes({"train": [Path("cat/1.png"), Path("dog/1.png")]})
    ('cat', 'dog')
    >>> find_classes({"train": [Path("cat/1.png"), Path("1.png")]})
    """
    tops = {part: {file.parts[0] if len(file.parts) > 1 else None for file in some} for part, some in files.items()}
    train, test = tops["train"], tops.get("test", tops["train"])
    if None in train | test or len(train) < 2 or not train & test:
        return None
    names = sorted(name for name in train | test if name)
    if odd := [name for name in names if name not in train]:
        which = "class stands" if len(odd) == 1 else "classes stand"
        warnings.warn(
            f"{len(odd)} {which} in the test part alone: {', '.join(odd[:5])}{', ...' if len(odd) > 5 else ''}; probes "
            f"leave out its samples, for training shows none",
            stacklevel=4,
        )
    return tuple(names)
