"""From an opened image to its numbers, as many bands as are asked for, and back to a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Shaped, UInt8, UInt16
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn.functional import interpolate

from ssl_pipeline.data.io.remarks import Note, silent

MODES = {1: "L", 3: "RGB"}
PAGES = ("first", "channels")
_FULL = 65535
"""White of 16 bits."""
_GREY = np.array([0.299, 0.587, 0.114])
"""Shares of red, green and blue in grey (ITU-R BT.601), as PIL takes them."""


def depth_of(image: Image.Image) -> str:
    """Kind of the numbers in an opened image: uint8, uint16, int32 or float32. Nothing is decoded."""
    if image.mode in ("F", "I"):
        return "float32" if image.mode == "F" else "int32"
    return "uint16" if image.mode.startswith("I") or _is_deep_colour(image) else "uint8"


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
    count = _pages_of(image)
    if pages == "first":
        if count > 1:
            note("pages", f"{count} pages")
        return _page(image, channels, deep, note)
    if count != channels:
        raise ValueError(f"expected {channels} pages, as data.channels says, got {count}")
    found = []
    for number in range(count):
        image.seek(number)
        found.append(_page(image, 1, deep, note))
    if len({(one.shape, one.dtype) for one in found}) > 1:
        raise ValueError("expected pages of one size and kind, got several: split the file")
    return np.concatenate(found, axis=2)


def squared(images: Shaped[np.ndarray, "B H W C"], size: int) -> Shaped[Tensor, "B C {size} {size}"]:
    """Images, or frames, whose shorter side is resized to ``size``, the centre cropped.

    >>> squared(np.zeros((2, 20, 40, 3), np.uint8), size=8).shape
    torch.Size([2, 3, 8, 8])
    """
    high, wide = images.shape[1:3]
    side = min(high, wide)
    top, left = (high - side) // 2, (wide - side) // 2
    square = np.ascontiguousarray(images[:, top : top + side, left : left + side])
    x = torch.from_numpy(square).permute(0, 3, 1, 2)
    if side == size:
        return x
    # The filter is PIL's own bicubic; on 500x375 to 224 torch was measured 4 times as fast.
    return interpolate(x, size=(size, size), mode="bicubic", antialias=True)


def ending_for(values: Shaped[np.ndarray, "... C"]) -> str:
    """Of a file that holds such numbers: PNG where it can, or else TIFF."""
    bands = {np.dtype(np.uint8): (1, 3, 4), np.dtype(np.uint16): (1,)}.get(values.dtype, ())
    return ".png" if values.shape[-1] in bands else ".tif"


def save_pixels(file: Path, values: Shaped[np.ndarray, "H W C"]) -> None:
    """Write an image; of bands that PIL has no mode for, each becomes a page of a TIFF.

    Args:
        file: its ending may be any.
        values: uint8, uint16, int32 or float32.
    """
    if ending_for(values) == ".png":
        Image.fromarray(values if values.shape[2] > 1 else values[..., 0]).save(file, format="PNG")
        return
    first, *rest = (Image.fromarray(np.ascontiguousarray(values[..., i])) for i in range(values.shape[2]))
    first.save(file, format="TIFF", save_all=True, append_images=rest)


def _pages_of(image: Image.Image) -> int:
    """How many images a file holds; previews in the photographs of phones (MPO) do not count."""
    several = image.format != "MPO" and getattr(image, "is_animated", False)
    return image.n_frames if several else 1  # pyright: ignore[reportAttributeAccessIssue]


def _page(image: Image.Image, channels: int, deep: bool, note: Note) -> Shaped[np.ndarray, "H W C"]:
    if _is_deep_colour(image):
        if deep and image.format == "PNG":
            return _colours(_decoded(image), channels)
        note("reduced", "")  # PIL reads the upper 8 bits
    image = ImageOps.exif_transpose(image)
    if image.mode == "F" or image.mode.startswith("I"):
        return _grey(np.array(image), channels, deep, note)
    return _eight_bits(image, channels, note)


def _grey(values: Shaped[np.ndarray, "H W"], channels: int, deep: bool, note: Note) -> Shaped[np.ndarray, "H W C"]:
    if channels == 4:
        raise ValueError("expected 4 bands, as data.channels says, got 1")
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if not np.isfinite(values).all():
        raise ValueError("it holds NaN or infinity")
    if not deep:
        if values.dtype.kind == "f":
            raise ValueError("its pixels are floats without a fixed range: set data.range=[low,high]")
        low, high = int(values.min(initial=0)), int(values.max(initial=0))
        if low < 0 or high > _FULL:
            raise ValueError(f"its values go from {low} to {high}, expected 0 to {_FULL}: set data.range=[low,high]")
        note("reduced", "")
        values = (values // 257).astype(np.uint8)
    return np.repeat(values[..., None], channels, axis=2)


def _eight_bits(image: Image.Image, channels: int, note: Note) -> UInt8[np.ndarray, "H W C"]:
    if channels == 4:
        if image.mode not in ("RGBA", "RGBX"):
            raise ValueError(f"expected 4 bands, as data.channels says, got {len(image.getbands())} ({image.mode})")
        return np.array(image)
    if image.mode == "RGBX":
        note("fourth", "left out")
    if image.mode == "RGBA" and image.getchannel("A").getextrema() != (255, 255):
        note("fourth", "laid on white as transparency")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert(MODES[channels])).reshape(image.height, image.width, channels)


def _is_deep_colour(image: Image.Image) -> bool:
    """Whether a file has 16 bits a colour, of which PIL has no mode."""
    tiles = getattr(image, "tile", ())
    return image.mode in ("RGB", "RGBA", "RGBX") and any(";16" in str(tile[3]) for tile in tiles)


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
        share = values[..., -1:] / _FULL
        values = np.rint(values[..., :-1] * share + _FULL * (1 - share)).astype(np.uint16)
    if channels == 1 and values.shape[2] == 3:
        return np.rint(values @ _GREY).astype(np.uint16)[..., None]
    return np.repeat(values, channels // values.shape[2], axis=2)
