"""Any folder of images, with or without class folders."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

from ssl_pipeline.datasets.data import Data, Dataset, Subset
from ssl_pipeline.datasets.data import holdout as set_aside
from ssl_pipeline.datasets.decoded import Unreadable, decoded_images
from ssl_pipeline.datasets.image import image_grid

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm")
TEST_FOLDERS = ("test", "val", "valid", "validation")


def folder(
    root: str,
    size: int = 64,
    channels: int = 3,
    labels: bool | str = "auto",
    holdout: float | int = 0.1,
    seed: int = 0,
    unreadable: str = "skip",
    max_unreadable: float | int = 0.05,
    in_memory: bool | str = "auto",
    cache: str | None = None,
    workers: int | None = None,
) -> Data:
    """A tree of images; its top-level folders are classes, or ``train`` and ``test`` (or ``val``), or mean nothing.

    Args:
        root: the folder.
        size: height and width in pixels: the shorter side is resized to it, the centre cropped.
        channels: 3, or 1 for grey.
        labels: take the top-level folders as classes; "auto": where every image lies in one and there are at least two.
        holdout: fraction set aside for testing where there is no test folder.
        seed: of the choice of these.
        unreadable: leave unreadable files out, or stop.
        max_unreadable: largest fraction to leave out before stopping all the same.
        in_memory: keep the decoded pixels in memory, or else in a mapped file; "auto": in memory below 2 GiB.
        cache: folder of that file; ``~/.cache/ssl_pipeline`` by default.
        workers: decoding threads; as many as processors by default.

    Raises:
        FileNotFoundError: no such folder, or no image in it.
        NotADirectoryError: a file.
        ValueError: too many unreadable files, or no classes where ``labels=true``.
    """
    if unreadable not in ("skip", "error"):
        raise ValueError(f"expected unreadable=skip or unreadable=error, got {unreadable!r}")
    if labels not in (True, False, "auto"):
        raise ValueError(f"expected labels to be auto, true or false, got {labels!r}")
    grid = image_grid(size, channels)
    path = Path(root).expanduser()
    places = find_parts(path)
    files = {part: list_images(place) for part, place in places.items()}
    classes = None
    if labels:
        classes = find_classes(files)
        if classes is None and labels is True:
            raise ValueError(
                f"{root!r} has no class folders: expected every image in one of at least two top-level folders, "
                f"the same ones for testing as for training; sort the images or set labels=false"
            )

    def load(part: str) -> Dataset:
        paths = [places[part] / file for file in files[part]]
        numbers = torch.tensor([classes.index(file.parts[0]) for file in files[part]]) if classes else None
        dataset, damaged = decoded_images(
            paths, size, channels, numbers, in_memory, cache, workers or os.cpu_count() or 1
        )
        check_unreadable(paths, damaged, 0.0 if unreadable == "error" else max_unreadable)
        return Subset(dataset, [i for i in range(len(paths)) if i not in damaged]) if damaged else dataset

    train = load("train")
    train, test = (train, load("test")) if "test" in places else set_aside(train, holdout, seed)
    return Data(grid=grid, train=train, test=test, classes=classes, name=path.resolve().name)


def find_parts(root: Path) -> dict[str, Path]:
    """Where the images to train and, if they lie apart, to test on are.

    Raises:
        FileNotFoundError: there is nothing.
        NotADirectoryError: there is a file.
    """
    if not root.exists():
        raise FileNotFoundError(f"there is no folder {str(root)!r}: set root to a folder of images")
    if not root.is_dir():
        raise NotADirectoryError(f"expected a folder of images, got the file {str(root)!r}: set root to its folder")
    if not (root / "train").is_dir():
        return {"train": root}
    test = next((root / name for name in TEST_FOLDERS if (root / name).is_dir()), None)
    others = [p for p in root.iterdir() if p.is_dir() and p.name not in ("train", *TEST_FOLDERS) and p.name[0] != "."]
    if others and test is None:  # "train" beside "car" and "plane" is a class
        return {"train": root}
    return {"train": root / "train"} if test is None else {"train": root / "train", "test": test}


def list_images(root: Path) -> list[Path]:
    """Paths below ``root`` of all images, sorted; hidden files are none, links are followed.

    Raises:
        FileNotFoundError: there are none.
    """
    found, seen = [], set()
    for place, folders, names in os.walk(root, followlinks=True):
        if (real := os.path.realpath(place)) in seen:  # a link back up would go round for ever
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if name[0] != ".")
        found += [Path(place, name) for name in names if name[0] != "." and name.lower().endswith(ENDINGS)]
    if not found:
        raise FileNotFoundError(f"there is no image in {str(root)!r}: expected files ending in {', '.join(ENDINGS)}")
    return sorted(file.relative_to(root) for file in found)


def find_classes(files: dict[str, list[Path]]) -> tuple[str, ...] | None:
    """Names of the top-level folders, if all images lie in one, there are at least two, and testing has no others.

    >>> find_classes({"train": [Path("cat/1.png"), Path("dog/1.png")]})
    ('cat', 'dog')
    >>> find_classes({"train": [Path("cat/1.png"), Path("1.png")]})
    """
    tops = {part: {file.parts[0] if len(file.parts) > 1 else None for file in some} for part, some in files.items()}
    train = tops["train"]
    if None in train or len(train) < 2 or not tops.get("test", train) <= train:
        return None
    return tuple(sorted(name for name in train if name))


def check_unreadable(paths: Sequence[Path], unreadable: Unreadable, limit: float | int) -> None:
    """Name the files that are left out.

    Raises:
        ValueError: more than the fraction ``limit`` of all files.
    """
    if not unreadable:
        return
    some = "; ".join(f"{paths[i]} ({reason})" for i, reason in list(unreadable.items())[:3])
    count = f"{len(unreadable)} of {len(paths)} images cannot be read: {some}{'; …' if len(unreadable) > 3 else ''}"
    if len(unreadable) == len(paths):
        raise ValueError(f"{count}: set root to a folder of intact images")
    if len(unreadable) > limit * len(paths):
        raise ValueError(f"{count}: mend or remove them, or allow more with unreadable=skip and max_unreadable")
    warnings.warn(f"{count}; they are left out", stacklevel=3)
