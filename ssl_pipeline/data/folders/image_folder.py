"""Any folder of images, with or without class folders."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Data, Dataset, Subset, holdout
from ssl_pipeline.data.cache.images import Unreadable, decoded_images
from ssl_pipeline.data.codecs.image import Pixels
from ssl_pipeline.data.memory import MemoryDataset
from ssl_pipeline.data.options import Cache, Options, Split, UnreadableFiles
from ssl_pipeline.data.wrappers.foreground import FOREGROUND, WithForeground, foreground_spec, masks_of

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm")
_TEST_FOLDERS = ("test", "val", "valid", "validation")


@register("data", "folder", settled={"cache.folder": None})
def folder(
    root: str,
    size: int = 64,
    channels: int = 3,
    labels: bool | str = "auto",
    split: Split | Options = Split(),
    unreadable: UnreadableFiles | Options = UnreadableFiles(),
    cache: Cache | Options = Cache(),
    masks: str | None = None,
) -> Data:
    """A tree of images; its top-level folders are classes, or ``train`` and ``test`` (or ``val``), or mean nothing.

    Args:
        root: the folder.
        size: height and width in pixels: the shorter side is resized to it, the centre cropped.
        channels: 3, or 1 for grey.
        labels: take the top-level folders as classes; "auto": where every image lies in one and there are at least two.
        split: which images are held out.
        unreadable: what happens to files that cannot be read.
        cache: how they are decoded and kept.
        masks: folder of images whose bright half is the foreground, one for each image, of its name and size; probes
            then also see images on other backgrounds.

    Raises:
        FileNotFoundError: no such folder, no image in it, or no mask of an image.
        NotADirectoryError: a file.
        ValueError: too many unreadable files, no classes where ``labels=true``, no such size, or a mask that does not
            fit its image.
    """
    split = Split.of(split)
    unreadable = UnreadableFiles.of(unreadable)
    cache = Cache.of(cache)
    if type(size) is not int or size < 1:
        raise ValueError(f"expected data.size as a whole number of pixels, at least 1, got {size!r}: set data.size=64")
    codec = Pixels(size, channels)
    path = Path(root).expanduser()
    places = find_parts(path)
    files = {part: list_files(place, IMAGE_ENDINGS) for part, place in places.items()}
    classes = choose_classes(files, labels, root)

    def load(part: str) -> Dataset:
        paths = [places[part] / file for file in files[part]]
        numbers = torch.tensor([classes.index(file.parts[0]) for file in files[part]]) if classes else None
        mask_files = None if masks is None else masks_of(paths, path, Path(masks).expanduser())
        dataset, failed = decode(paths, channels, numbers)
        if mask_files is not None:
            known, lost = decode(mask_files, 1, None)
            dataset, failed = WithForeground(dataset, known), failed | lost
        return Subset(dataset, [i for i in range(len(paths)) if i not in failed]) if failed else dataset

    def decode(paths: list[Path], channels: int, numbers: Tensor | None) -> tuple[MemoryDataset, Unreadable]:
        dataset, failed = decoded_images(
            paths,
            size,
            channels,
            numbers,
            cache,
            refuse=lambda failed: refuse_unreadable(paths, failed, unreadable.limit),
        )
        check_unreadable(paths, failed, unreadable.limit)
        return dataset, failed

    train = load("train")
    train, test = (train, load("test")) if "test" in places else holdout(train, split.holdout, split.seed)
    columns = {} if masks is None else {FOREGROUND: foreground_spec(size)}
    name = path.resolve().name
    return Data(grid=codec.grid, codec=codec, train=train, test=test, classes=classes, name=name, columns=columns)


def find_parts(root: Path, thing: str = "image") -> dict[str, Path]:
    """Where the images (or another ``thing``) to train and, if they lie apart, to test on are.

    Raises:
        FileNotFoundError: there is nothing.
        NotADirectoryError: there is a file.
    """
    if not root.exists():
        raise FileNotFoundError(f"there is no folder {str(root)!r}: set root to a folder of {thing}s")
    if not root.is_dir():
        raise NotADirectoryError(f"expected a folder of {thing}s, got the file {str(root)!r}: set root to its folder")
    if not (root / "train").is_dir():
        return {"train": root}
    test = next((root / name for name in _TEST_FOLDERS if (root / name).is_dir()), None)
    others = [p for p in root.iterdir() if p.is_dir() and p.name not in ("train", *_TEST_FOLDERS) and p.name[0] != "."]
    if others and test is None:  # "train" next to "car" and "plane" is a class
        return {"train": root}
    return {"train": root / "train"} if test is None else {"train": root / "train", "test": test}


def list_files(
    root: Path, endings: tuple[str, ...], thing: str = "image", advice: str = "set root to another folder"
) -> list[Path]:
    """Paths below ``root`` of all files with such an ending, sorted; hidden ones do not count, links are followed.

    A folder that several links lead to is taken once, under the first name in alphabetical order.

    Args:
        root: the folder.
        endings: with their dots.
        thing: what a file holds.
        advice: what to do where there are none.

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
        found += [Path(place, name) for name in names if name[0] != "." and name.lower().endswith(endings)]
    if not found:
        rest = f" or {len(endings) - 5} others" if len(endings) > 5 else ""
        raise FileNotFoundError(
            f"there is no {thing} in {str(root)!r}: expected files ending in {', '.join(endings[:5])}{rest}; {advice}"
        )
    return sorted(file.relative_to(root) for file in found)


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
            f"the same ones for testing as for training; sort the {thing}s or set labels=false"
        )
    return classes


def find_classes(files: dict[str, list[Path]]) -> tuple[str, ...] | None:
    """Names of the top-level folders, if all files lie in one, there are at least two, and testing has no others.

    >>> find_classes({"train": [Path("cat/1.png"), Path("dog/1.png")]})
    ('cat', 'dog')
    >>> find_classes({"train": [Path("cat/1.png"), Path("1.png")]})
    """
    tops = {part: {file.parts[0] if len(file.parts) > 1 else None for file in some} for part, some in files.items()}
    train = tops["train"]
    if None in train or len(train) < 2 or not tops.get("test", train) <= train:
        return None
    return tuple(sorted(name for name in train if name))


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
    if unreadable and len(unreadable) == len(paths):
        raise ValueError(f"{_named(paths, unreadable, thing)}: set root to a folder of intact {thing}s")
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
