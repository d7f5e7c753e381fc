"""Images of any mode as images of 8 bits a band, in little memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Shaped
from PIL import ExifTags, Image, ImageOps

from ssl_pipeline.data.io.remarks import Note, silent

MODES = {1: "L", 3: "RGB"}
WHITE = 65_535
"""Of 16 bits."""
BAND = 2**22
"""Numbers that are changed at once, so that a large image is not copied as a whole."""


def eight_bits(image: Image.Image, channels: int, note: Note = silent) -> Image.Image:
    """The image set upright, of 8 bits a band, for which 16 bits are taken as 0 to 65535.

    Args:
        image: opened; it may be handed back itself.
        channels: 1 (grey) or 3 (red, green, blue), transparency being laid on white; or 4 (these and a fourth band).
        note: takes remarks.

    Raises:
        ValueError: other bands, or numbers that are not finite or have no place in 8 bits.

    >>> eight_bits(Image.new("RGBA", (1, 1)), channels=1).getpixel((0, 0))
    255
    """
    if is_deep_colour(image):
        note("reduced", "")  # PIL reads the upper 8 bits
    image = upright(image)
    if image.mode.startswith(("I", "F")):
        image = _reduced(one_band(image, channels), note)
    if channels == 4:
        if image.mode not in ("RGBA", "RGBX"):
            raise ValueError(f"expected 4 bands, as data.channels says, got {len(image.getbands())} ({image.mode})")
        return image
    if image.mode == "RGBX":
        note("fourth", "left out")
    if image.mode == "RGBA" and image.getchannel("A").getextrema() != (255, 255):
        note("fourth", "laid on white as transparency")
    return _converted(image, MODES[channels])


def upright(image: Image.Image) -> Image.Image:
    """Decoded, and turned as its file says; where it says nothing the image itself, no copy."""
    image.load()
    return image if image.getexif().get(ExifTags.Base.Orientation, 1) == 1 else ImageOps.exif_transpose(image)


def one_band(image: Image.Image, channels: int) -> Shaped[np.ndarray, "H W"]:
    """The numbers of an image whose only band is deeper than 8 bits.

    Raises:
        ValueError: four bands are asked for, or the numbers are not finite.
    """
    if channels == 4:
        raise ValueError("expected 4 bands, as data.channels says, got 1")
    values: np.ndarray[Any, Any] = np.array(image)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if not np.isfinite(values).all():
        raise ValueError("it holds NaN or infinity")
    return values


def is_deep_colour(image: Image.Image) -> bool:
    """Whether a file, of which nothing is decoded yet, has 16 bits a colour, of which PIL has no mode."""
    tiles = getattr(image, "tile", ())
    return image.mode in ("RGB", "RGBA", "RGBX") and any(";16" in str(tile[3]) for tile in tiles)


def _reduced(values: Shaped[np.ndarray, "H W"], note: Note) -> Image.Image:
    # PIL's own conversion keeps the low byte only.
    if values.dtype.kind == "f":
        raise ValueError("its pixels are floats without a fixed range: set data.range=[low,high]")
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    if low < 0 or high > WHITE:
        raise ValueError(f"its values go from {low} to {high}, expected 0 to {WHITE}: set data.range=[low,high]")
    note("reduced", "")
    return Image.fromarray((values // 257).astype(np.uint8))


def _converted(image: Image.Image, mode: str) -> Image.Image:
    """Transparency is laid on white."""
    if image.mode == mode and not image.has_transparency_data:
        return image
    rows = max(1, BAND // image.width)
    if image.height <= rows:
        return _on_white(image).convert(mode)
    whole = Image.new(mode, image.size)
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        whole.paste(_on_white(band).convert(mode), (0, top))
    return whole


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
