"""From images of any size and mode to squares of pixels, and back to files."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped
from PIL import Image
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.io.eight_bits import BAND, MODES, eight_bits
from ssl_pipeline.data.io.image_file import ending_for, open_image, save_pixels
from ssl_pipeline.data.io.memory_budget import MemoryBudget
from ssl_pipeline.data.io.pixel_values import PAGES, memory_for, pages_of, pixel_values
from ssl_pipeline.data.io.remarks import Note, Remarks, noting, silent, warn_remarks
from ssl_pipeline.data.io.squares import square_of, squared
from ssl_pipeline.data.io.value_range import ValueRange
from ssl_pipeline.data.preprocessing.image import ImagePreprocessing
from ssl_pipeline.structures.grid import GridSpec

LARGEST = 16_384
"""Pixels along a side: squares beyond this are taken for a mistake."""
_STEPS = 65_535
"""Of 16 bits, in which pixels with a range are stored."""


def image_grid(size: int, channels: int, pages: str = "first") -> GridSpec:
    """Grid of square images.

    Raises:
        ValueError: an image has neither 1 (grey), 3 (red, green, blue) nor 4 (these and a fourth band) channels, and
            they are not its pages; or no such size.

    >>> image_grid(64, 3).shape
    (64, 64)
    """
    if pages not in PAGES:
        raise ValueError(f"expected data.pages=first or data.pages=channels, got {pages!r}")
    if channels not in (*MODES, 4) and (pages == "first" or channels < 1):
        raise ValueError(
            f"expected channels=1 (grey), channels=3 (red, green, blue) or channels=4 (these and a fourth band), got "
            f"channels={channels}: for other numbers save each band as a page and set pages=channels"
        )
    if type(size) is not int or not 1 <= size <= LARGEST:
        raise ValueError(
            f"expected data.size as pixels along a side, from 1 to {LARGEST:,}, got {size!r}: set data.size=64"
        )
    return GridSpec.of(("y", size), ("x", size), channels=channels, storage=255)


@register("codec", "pixels")
@dataclass(frozen=True)
class Pixels:
    """Images as they are, 8 bits a channel, or numbers of a given range as floats from 0 to 1.

    Args:
        size: height and width in pixels.
        channels: 1 (grey), 3 (red, green, blue) or 4 (these and a fourth band); of all pages, their number.
        range: values in files that become 0 and 1, whole numbers where the files hold such; what lies outside is cut
            off. None: 8 bits, for which 16 bits are taken as 0 to 65535.
        pages: of a file of several pages: the "first", or all as "channels", each of them grey.

    Raises:
        ValueError: another number of channels, other pages, or an empty range.

    >>> x, _ = Pixels(size=2, channels=1).encode([Image.new("RGB", (6, 4), "white")])
    >>> x.tolist()
    [[[[255, 255], [255, 255]]]]
    >>> x, _ = Pixels(size=1, channels=1, range=(0, 4096)).encode([Image.new("I", (6, 4), 1024)])
    >>> x.tolist()
    [[[[0.25]]]]
    """

    size: int
    channels: int
    range: ValueRange | None = None
    pages: str = "first"

    def __post_init__(self) -> None:
        image_grid(self.size, self.channels, self.pages)
        if self.range is not None:
            low, high = self.range
            if not low < high:
                raise ValueError(f"expected a range from low to high, got {low} to {high}: mend data.range")
            object.__setattr__(self, "range", (low, high))  # a file of codecs has it as a list

    @property
    def grid(self) -> GridSpec:
        grid = image_grid(self.size, self.channels, self.pages)
        return grid if self.range is None else replace(grid, storage=_STEPS)

    def preprocessing(self) -> ImagePreprocessing:
        pages = self.channels if self.pages == "channels" else None
        return ImagePreprocessing(self.size, self.channels, values=self.range, pages=pages)

    def encode(self, raw: Sequence[Any]) -> tuple[Shaped[Tensor, "B C H W"], None]:
        """Pixels of images or of their files, uint8 or floats: the shorter side is resized, the centre cropped.

        Raises:
            ValueError: something else, or a file that cannot be read.
            FileNotFoundError: there is no such file.
        """
        if wrong := [one for one in raw if not isinstance(one, (Image.Image, str, Path))]:
            raise ValueError(f"expected images as paths or as PIL images, got {type(wrong[0]).__name__}: pass an array")
        remarks: Remarks = {}
        rows = [self._read(one, noting(remarks, number)) for number, one in enumerate(raw)]
        names = [f"number {i}" if isinstance(one, Image.Image) else str(one) for i, one in enumerate(raw)]
        warn_remarks(names, remarks)
        shape = (len(rows), self.channels, self.size, self.size)
        kind = np.uint8 if self.range is None else np.float32
        return torch.from_numpy(np.array(rows, dtype=kind).reshape(shape)), None

    def _read(self, one: Image.Image | str | Path, note: Note) -> Shaped[np.ndarray, "C H W"]:
        if isinstance(one, Image.Image):
            return to_pixels(one, self, note)
        if not Path(one).is_file():
            raise FileNotFoundError(f"there is no file {str(one)!r}: give the path of an image")
        try:
            return read_image(one, self, note)
        except (OSError, ValueError, SyntaxError) as error:
            raise ValueError(f"{one} cannot be read as an image: {' '.join(str(error).split())}") from None

    def whole(self, image: Image.Image, note: Note = silent) -> Shaped[np.ndarray, "H W C"]:
        """An upright image in its own size, as uint8, or as floats from 0 to 1 where the codec has a range.

        Raises:
            ValueError: it has other bands or pages, or numbers that have no place in 8 bits.
        """
        values = pixel_values(image, self.channels, self.pages, self.range is not None, note)
        return values if self.range is None else scaled(values, self.range, note)

    def in_units(self, x: Shaped[Tensor, "*B C H W"]) -> Shaped[np.ndarray, "*B H W C"]:
        """The values that files hold of samples, as uint8, uint16, int32 or, in a range of floats, float32."""
        x = x.movedim(-3, -1).cpu()
        if self.range is None:
            return (x if x.dtype == torch.uint8 else (x.float().clamp(0, 1) * 255).round().to(torch.uint8)).numpy()
        (low, high), share = self.range, x.double() / (255 if x.dtype == torch.uint8 else 1)
        values = (low + (high - low) * share.clamp(0, 1)).numpy()
        if isinstance(low, float) or isinstance(high, float):
            return values.astype(np.float32)
        kinds = (kind for kind in (np.uint8, np.uint16) if low >= 0 and high <= np.iinfo(kind).max)
        return np.rint(values).astype(next(kinds, np.int32))

    def decode(self, x: Tensor, valid: Tensor | None = None) -> list[Image.Image]:
        """Images of samples: floats are in the grid's range, what lies outside is cut off.

        Raises:
            ValueError: no image holds as many bands of such values; ``in_units`` gives them, ``write`` a file.
        """
        arrays = self.in_units(x)
        if self.channels > 1 and ending_for(arrays) != ".png":
            raise ValueError(
                f"no image of PIL holds {self.channels} bands of {arrays.dtype}: take codec.in_units(x) or codec.write"
            )
        return [Image.fromarray(array if array.shape[2] > 1 else array[..., 0]) for array in arrays]

    @property
    def ending(self) -> str:
        """Of the files that ``write`` makes: PNG, or TIFF with a page a band where PNG does not hold such values."""
        return ending_for(self.in_units(torch.zeros(self.channels, 1, 1)))

    def write(self, path: Path, x: Tensor, valid: Tensor | None = None) -> Path:
        """Write one sample as an image in the units of the files; ``path`` lacks its ending."""
        file = path.parent / f"{path.name}{self.ending}"
        save_pixels(file, self.in_units(x))
        return file

    def compact(self, x: Shaped[np.ndarray, "*B C H W"]) -> Shaped[np.ndarray, "*B C H W"]:
        """Samples as they are stored: uint8 as they are, floats from 0 to 1 in 16 bits."""
        if self.range is None:
            return x
        return np.rint(x * _STEPS - (_STEPS + 1) // 2).astype(np.int16)

    def expand(self, stored: Shaped[Tensor, "*B C H W"]) -> Float[Tensor, "*B C H W"]:
        """Floats of samples that are stored in 16 bits."""
        return stored.float().add_((_STEPS + 1) // 2).div_(_STEPS)

    def plain(self) -> dict[str, Any]:
        """``type`` and options, from which it can be built again."""
        plain = {"type": "pixels", **asdict(self)}
        return plain if self.range is None else plain | {"range": list(self.range)}


def read_image(
    file: str | Path | BytesIO, codec: Pixels, note: Note = silent, budget: MemoryBudget | None = None
) -> Shaped[np.ndarray, "C H W"]:
    """Decode a file, or the bytes of one. What the decoder cannot read, it raises about in many ways.

    Args:
        file: the image.
        codec: of the pixels.
        note: takes remarks.
        budget: memory that several threads share.

    Raises:
        ValueError: a pipe or a device; see also ``Pixels.whole``.
    """
    with open_image(file) as image:
        # A JPEG decodes straight to 1/2, 1/4 or 1/8; twice the wanted size keeps the resizing clean.
        image.draft(MODES.get(codec.channels), (2 * codec.size, 2 * codec.size))
        needed = memory_for(image, codec.channels, codec.range is not None)
        with nullcontext() if budget is None else budget.taken(needed):
            return to_pixels(image, codec, note)


def to_pixels(image: Image.Image, codec: Pixels, note: Note = silent) -> Shaped[np.ndarray, "C H W"]:
    """An upright image whose shorter side is resized to the codec's size, the centre cropped.

    Raises:
        ValueError: see ``Pixels.whole``.

    >>> to_pixels(Image.new("P", (40, 20)), Pixels(size=8, channels=3)).shape
    (3, 8, 8)
    """
    if codec.range is None:
        pages = pages_of(image, codec.channels, codec.pages, note)
        return np.concatenate([square_of(eight_bits(page, each, note), codec.size) for page, each in pages])
    x = squared(codec.whole(image, note)[None], codec.size)[0]
    return x.clamp(0, 1).numpy()  # the resizing swings over at edges


def scaled(values: Shaped[np.ndarray, "H W C"], range: ValueRange, note: Note = silent) -> Float[np.ndarray, "H W C"]:
    """Values of a range as floats from 0 to 1; what lies outside is cut off, and noted.

    >>> scaled(np.array([[[-1000], [0], [3000]]]), (-1000, 3000)).ravel().tolist()
    [0.0, 0.25, 1.0]
    """
    low, high = range
    least, most = values.min(), values.max()
    if values.dtype == np.uint8 and high > 255:
        note("shallow", "")
    if least < low or most > high:
        note("outside", f"{least:g} to {most:g}, the range being {low:g} to {high:g}")
    exact = np.float32 if values.dtype.itemsize < 4 else np.float64  # large whole numbers that differ by little
    x = np.empty(values.shape, dtype=np.float32)
    bands = 1 + values.size // BAND
    for some, result in zip(np.array_split(values, bands), np.array_split(x, bands), strict=True):
        result[:] = ((some.astype(exact) - low) / (high - low)).clip(0, 1)
    return x
