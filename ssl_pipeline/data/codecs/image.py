"""From images of any size and mode to squares of uint8 pixels, and back to files."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import ExifTags, Image, ImageOps
from torch import Tensor
from torch.nn.functional import interpolate

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.io.memory_budget import MemoryBudget
from ssl_pipeline.data.io.regular_file import check_regular
from ssl_pipeline.data.preprocessing.image import ImagePreprocessing
from ssl_pipeline.structures.grid import GridSpec

MODES = {1: "L", 3: "RGB"}
_LARGE = 2**25  # pixels from which an image is not copied as a whole
_BAND = 2**22  # pixels whose colours are changed at once
_BYTES = 16  # of memory a pixel, at most, while an image is decoded and resized
LARGEST = 16_384
"""Pixels along a side: squares beyond this are taken for a mistake."""


def image_grid(size: int, channels: int) -> GridSpec:
    """Grid of square images.

    Raises:
        ValueError: an image has neither 1 (grey) nor 3 (red, green, blue) channels, or no such size.

    >>> image_grid(64, 3).shape
    (64, 64)
    """
    if channels not in MODES:
        raise ValueError(f"expected channels=1 (grey) or channels=3 (red, green, blue), got channels={channels}")
    if type(size) is not int or not 1 <= size <= LARGEST:
        raise ValueError(
            f"expected data.size as pixels along a side, from 1 to {LARGEST:,}, got {size!r}: set data.size=64"
        )
    return GridSpec.of(("y", size), ("x", size), channels=channels)


@register("codec", "pixels")
@dataclass(frozen=True)
class Pixels:
    """Images as they are, 8 bits a channel.

    Args:
        size: height and width in pixels.
        channels: 1 (grey) or 3 (red, green, blue).

    Raises:
        ValueError: another number of channels.

    >>> x, _ = Pixels(size=2, channels=1).encode([Image.new("RGB", (6, 4), "white")])
    >>> x.tolist()
    [[[[255, 255], [255, 255]]]]
    """

    size: int
    channels: int

    def __post_init__(self) -> None:
        image_grid(self.size, self.channels)

    @property
    def grid(self) -> GridSpec:
        return image_grid(self.size, self.channels)

    def preprocessing(self) -> ImagePreprocessing:
        return ImagePreprocessing(self.size, self.channels, self.grid.range)

    def encode(self, raw: Sequence[Any]) -> tuple[UInt8[Tensor, "B C H W"], None]:
        """Pixels of images or of their files: the shorter side is resized, the centre cropped.

        Raises:
            ValueError: something else, or a file that cannot be read.
            FileNotFoundError: there is no such file.
        """
        if wrong := [one for one in raw if not isinstance(one, (Image.Image, str, Path))]:
            raise ValueError(f"expected images as paths or as PIL images, got {type(wrong[0]).__name__}: pass an array")
        rows = [
            to_pixels(one, self.size, self.channels) if isinstance(one, Image.Image) else self._read(one) for one in raw
        ]
        shape = (len(rows), self.channels, self.size, self.size)
        return torch.from_numpy(np.array(rows, dtype=np.uint8).reshape(shape)), None

    def _read(self, file: str | Path) -> UInt8[np.ndarray, "C H W"]:
        if not Path(file).is_file():
            raise FileNotFoundError(f"there is no file {str(file)!r}: give the path of an image")
        try:
            return read_image(file, self.size, self.channels)
        except (OSError, ValueError, SyntaxError) as error:
            raise ValueError(f"{file} cannot be read as an image: {' '.join(str(error).split())}") from None

    def decode(self, x: Tensor, valid: Tensor | None = None) -> list[Image.Image]:
        """Images of samples: floats are in the grid's range, what lies outside is cut off."""
        pixels = x if x.dtype == torch.uint8 else (x.float().clamp(0, 1) * 255).round().to(torch.uint8)
        arrays = pixels.permute(0, 2, 3, 1).cpu().numpy()
        return [Image.fromarray(array if array.shape[2] == 3 else array[..., 0]) for array in arrays]

    def write(self, path: Path, x: Tensor, valid: Tensor | None = None) -> Path:
        """Write one sample as a PNG file; ``path`` lacks its ending."""
        file = path.parent / f"{path.name}.png"
        self.decode(x[None])[0].save(file)
        return file

    def plain(self) -> dict[str, Any]:
        """``type`` and options, from which it can be built again."""
        return {"type": "pixels", **asdict(self)}


def read_image(
    file: str | Path | BytesIO, size: int, channels: int, budget: MemoryBudget | None = None
) -> UInt8[np.ndarray, "C H W"]:
    """Decode a file, or the bytes of one. What the decoder cannot read, it raises about in many ways.

    Args:
        file: the image.
        size: height and width in pixels.
        channels: 1 (grey) or 3 (red, green, blue).
        budget: memory that several threads share.

    Raises:
        ValueError: a pipe or a device.
    """
    if not isinstance(file, BytesIO):
        check_regular(file)
    with Image.open(file) as image:
        # A JPEG decodes straight to 1/2, 1/4 or 1/8; twice the wanted size keeps the resizing clean.
        image.draft(MODES[channels], (2 * size, 2 * size))
        needed = _BYTES * image.width * image.height  # as the header says
        with nullcontext() if budget is None else budget.taken(needed):
            return to_pixels(image, size, channels)


def to_pixels(image: Image.Image, size: int, channels: int) -> UInt8[np.ndarray, "C H W"]:
    """An upright image whose shorter side is resized to ``size``, the centre cropped.

    Args:
        size: height and width in pixels.
        channels: 1 (grey) or 3 (red, green, blue).

    Raises:
        ValueError: pixels are floats, which have no fixed range.

    >>> to_pixels(Image.new("P", (40, 20)), size=8, channels=3).shape
    (3, 8, 8)
    """
    image = upright(image, channels)
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    if image.width != image.height:
        image = image.crop((left, top, left + side, top + side))
    if side**2 > _LARGE:  # PIL needs no copies where torch needs three
        image, side = image.resize((size, size), Image.Resampling.BICUBIC), size
    x = torch.from_numpy(np.array(image).reshape(1, side, side, channels)).permute(0, 3, 1, 2)
    if side != size:  # the filter is PIL's own bicubic; on 500x375 to 224 torch was measured 4 times as fast
        x = interpolate(x, size=(size, size), mode="bicubic", antialias=True)
    return x[0].numpy()


def upright(image: Image.Image, channels: int) -> Image.Image:
    """Turn upright, lay transparency on white, 8 bits for each of 1 (grey) or 3 channels.

    Raises:
        ValueError: pixels are floats, which have no fixed range.

    >>> upright(Image.new("RGBA", (1, 1)), channels=1).getpixel((0, 0))
    255
    """
    if image.mode == "F":
        raise ValueError("its pixels are floats without a fixed range: expected 8 or 16 bit integers")
    image.load()
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode == MODES[channels] and not image.has_transparency_data:
        return image
    rows = max(1, _BAND // image.width)
    if image.height <= rows:
        return _eight_bits(image, channels)
    whole = Image.new(MODES[channels], image.size)
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        whole.paste(_eight_bits(band, channels), (0, top))
    return whole


def _eight_bits(image: Image.Image, channels: int) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bit grey, of which PIL's own conversion keeps the low byte only
        image = Image.fromarray((np.asarray(image).clip(0, 65535) // 257).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(MODES[channels])
