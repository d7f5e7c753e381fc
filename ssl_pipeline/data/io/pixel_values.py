"""From an opened image to its numbers, as many bands as are asked for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Shaped, UInt8, UInt16
from PIL import Image

from ssl_pipeline.data.io.eight_bits import WHITE, eight_bits, is_deep_colour, one_band, upright
from ssl_pipeline.data.io.remarks import Note, silent

PAGES = ("first", "channels")
_BYTES = 16  # of memory a pixel, at most, while an image is decoded and resized
_GREY = np.array([0.299, 0.587, 0.114])
"""Shares of red, green and blue in grey (ITU-R BT.601), as PIL takes them."""


def depth_of(image: Image.Image) -> str:
    """Kind of the numbers in an opened image: uint8, uint16, int32 or float32. Nothing is decoded."""
    if image.mode in ("F", "I"):
        return "float32" if image.mode == "F" else "int32"
    return "uint16" if image.mode.startswith("I") or is_deep_colour(image) else "uint8"


def memory_for(image: Image.Image, channels: int, deep: bool) -> int:
    """Bytes that decoding and resizing an opened image takes, as its header says.

    Args:
        image: opened.
        channels: see ``pixel_values``.
        deep: likewise.
    """
    return _BYTES * image.width * image.height * (channels if deep else 1)


def pixel_values(
    image: Image.Image, channels: int, pages: str = "first", deep: bool = False, note: Note = silent
) -> Shaped[np.ndarray, "H W C"]:
    """The numbers of an image, set upright.

    Args:
        image: opened.
        channels: 1 (grey), 3 (red, green, blue) or 4 (these and a fourth band); of all pages, how many there are.
        pages: "first", or all of them as "channels", each of them grey.
        deep: as they are in the file; or else in 8 bits, for which 16 bits are taken as 0 to 65535.
        note: takes remarks.

    Raises:
        ValueError: other bands or pages, or numbers that are not finite or have no place in 8 bits.

    >>> pixel_values(Image.new("RGBA", (2, 1)), channels=1).tolist()
    [[[255], [255]]]
    """
    read = _as_they_are if deep else _bytes
    found = [read(page, each, note) for page, each in pages_of(image, channels, pages, note)]
    if len({one.dtype for one in found}) > 1:
        raise ValueError("expected pages of one kind, got several: split the file")
    return found[0] if len(found) == 1 else np.concatenate(found, axis=2)


def pages_of(
    image: Image.Image, channels: int, pages: str = "first", note: Note = silent
) -> Iterator[tuple[Image.Image, int]]:
    """The image at each of its pages that are asked for, and how many channels this page is to give.

    It stays at a page until the next one is asked for.

    Args:
        image: opened.
        channels: see ``pixel_values``.
        pages: likewise.
        note: takes remarks.

    Raises:
        ValueError: another number of pages, or pages of several sizes.
    """
    count, size = _count_pages(image), image.size
    if pages == "first":
        if count > 1:
            note("pages", f"{count} pages")
        yield image, channels
        return
    if count != channels:
        raise ValueError(f"expected {channels} pages, as data.channels says, got {count}")
    for number in range(count):
        image.seek(number)
        if image.size != size:
            raise ValueError("expected pages of one size, got several: split the file")
        yield image, 1


def _count_pages(image: Image.Image) -> int:
    """How many images a file holds; previews in the photographs of phones (MPO) do not count."""
    several = image.format != "MPO" and getattr(image, "is_animated", False)
    return image.n_frames if several else 1  # pyright: ignore[reportAttributeAccessIssue]


def _bytes(image: Image.Image, channels: int, note: Note) -> UInt8[np.ndarray, "H W C"]:
    found = eight_bits(image, channels, note)
    return np.array(found).reshape(found.height, found.width, channels)


def _as_they_are(image: Image.Image, channels: int, note: Note) -> Shaped[np.ndarray, "H W C"]:
    if is_deep_colour(image) and image.format == "PNG":
        return _colours(_decoded(image), channels)
    if image.mode.startswith(("I", "F")):
        return np.repeat(one_band(upright(image), channels)[..., None], channels, axis=2)
    return _bytes(image, channels, note)


def _decoded(image: Image.Image) -> UInt16[np.ndarray, "H W n"]:
    from torchvision.io import ImageReadMode, decode_image

    file = image.fp  # pyright: ignore[reportAttributeAccessIssue]
    file.seek(0)
    data = torch.frombuffer(bytearray(file.read()), dtype=torch.uint8)
    return decode_image(data, ImageReadMode.UNCHANGED, apply_exif_orientation=True).permute(1, 2, 0).numpy()


def _colours(values: UInt16[np.ndarray, "H W n"], channels: int) -> UInt16[np.ndarray, "H W C"]:
    """Grey or colours of 16 bits, whose transparency is laid on white."""
    bands = values.shape[2]
    if channels == 4:
        if bands != 4:
            raise ValueError(f"expected 4 bands, as data.channels says, got {bands}")
        return values
    if bands in (2, 4):
        share = values[..., -1:] / WHITE
        values = np.rint(values[..., :-1] * share + WHITE * (1 - share)).astype(np.uint16)
    if channels == 1 and values.shape[2] == 3:
        return np.rint(values @ _GREY).astype(np.uint16)[..., None]
    return np.repeat(values, channels // values.shape[2], axis=2)
