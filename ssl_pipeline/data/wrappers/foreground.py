"""What is known of the foreground of images: a mask of each, as a column of its data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import ExifTags, Image
from torch import Tensor

from ssl_pipeline.data.base import ColumnSpec, Index
from ssl_pipeline.data.codecs.image import Pixels
from ssl_pipeline.data.memory import Expanded, MemoryDataset
from ssl_pipeline.structures.batch import Batch, Column

FOREGROUND = "foreground"
"""Name of the column: 255 on the foreground and 0 elsewhere, on the grid of the images with one channel."""

_TURNED = (5, 6, 7, 8)
"""Orientations of EXIF that lie on their side."""


def foreground_spec(size: int) -> ColumnSpec:
    """The column of masks of images of ``size`` pixels a side."""
    codec = Pixels(size, channels=1)
    return ColumnSpec(codec.grid, codec)


class WithForeground:
    """Images, each with the mask of its foreground.

    Args:
        images: the samples, in memory or mapped.
        masks: the mask of each, in the same order, as samples.

    Raises:
        ValueError: not as many masks as images, or masks without any foreground.

    >>> from ssl_pipeline.data.memory import MemoryDataset
    >>> images = MemoryDataset(torch.zeros(3, 3, 2, 2, dtype=torch.uint8))
    >>> masks = MemoryDataset(torch.full((3, 1, 2, 2), 255, dtype=torch.uint8))
    >>> WithForeground(images, masks)[[2]].columns["foreground"].x.shape
    torch.Size([1, 1, 2, 2])
    """

    def __init__(self, images: MemoryDataset | Expanded, masks: MemoryDataset | Expanded) -> None:
        if len(images) != len(masks):
            raise ValueError(f"expected a mask for each of the {len(images)} images, got {len(masks)}")
        rows = torch.arange(len(masks))
        if not any(bool((masks[some].x > 127).any()) for some in rows.split(256)):
            raise ValueError("all masks are dark: expected the foreground brighter than half, 255 of 8 bits")
        self.images, self.masks = images, masks
        self.labels, self.sources, self.paths = images.labels, images.sources, images.paths
        self.files = images.files

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Index) -> Batch:
        batch = self.images[index]
        return batch._replace(columns={**batch.columns, FOREGROUND: Column(self.masks[index].x)})


def masks_of(images: Sequence[Path], root: Path, masks: Path) -> list[Path]:
    """The mask of each image: of the same name, whatever its ending, and in the same folder below ``masks``.

    Args:
        images: below ``root``.
        root: their folder.
        masks: folder of the masks.

    Raises:
        FileNotFoundError: there is no such folder, or no mask of an image.
        ValueError: several masks of an image, or one of another size.
    """
    if not masks.is_dir():
        raise FileNotFoundError(
            f"there is no folder data.masks={masks}: name the folder of the masks, or set data.masks=null"
        )
    named: dict[Path, list[Path]] = {}
    for file in masks.rglob("*"):
        if file.is_file() and file.name[0] != ".":
            named.setdefault(file.relative_to(masks).with_suffix(""), []).append(file)
    return [_mask_of(image, named.get(image.relative_to(root).with_suffix(""), []), masks) for image in images]


def _mask_of(image: Path, found: list[Path], masks: Path) -> Path:
    if not found:
        raise FileNotFoundError(f"{image} has no mask in {masks}: expected one of the same name in the same subfolder")
    if len(found) > 1:
        raise ValueError(f"{image} has {len(found)} masks, {' and '.join(map(str, found[:2]))}: leave one")
    try:
        theirs, mine = _size(found[0]), _size(image)
    except OSError:  # whoever decodes says which file cannot be read, and why
        return found[0]
    if theirs != mine:
        raise ValueError(
            f"{found[0]} has {theirs[0]}x{theirs[1]} pixels, and its image {mine[0]}x{mine[1]}: make them one size"
        )
    return found[0]


def _size(file: Path) -> tuple[int, int]:
    """Width and height of an image set upright."""
    with Image.open(file) as image:
        across, down = image.size
        turned = image.getexif().get(ExifTags.Base.Orientation) in _TURNED
        return (down, across) if turned else (across, down)


def threshold(masks: Tensor) -> Tensor:
    """Where foreground is, of masks as the column holds them: uint8, floats from 0 to 1, or bool.

    >>> threshold(torch.tensor([0, 127, 128, 255], dtype=torch.uint8))
    tensor([False, False,  True,  True])
    """
    if masks.dtype == torch.bool:
        return masks
    return masks > (127 if masks.dtype == torch.uint8 else 0.5)
