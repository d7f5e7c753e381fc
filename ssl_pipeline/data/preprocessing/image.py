"""How files of images become pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import Template
from typing import Any

from ssl_pipeline.data.preprocessing.base import scaling

BICUBIC = 3
"""Number of the filter in PIL, and so in Hugging Face's ``resample``."""

_OPEN = """\
import numpy as np
from PIL import Image, ImageOps  # Pillow 10.1 or newer

files = ["image.png"]


def pixels_of(file):
    image = Image.open(file)
"""
_EIGHT_BITS = Template("""\
    if image.mode.startswith(("I", "F")) or getattr(image, "n_frames", 1) > 1:
        raise ValueError(f"{file}: expected one image of 8 bits a channel, got mode {image.mode}: convert it")
    image.draft("$mode", ($twice, $twice))
    image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("$mode")
""")
_FOUR_BANDS = """\
    if image.mode not in ("RGBA", "RGBX") or getattr(image, "n_frames", 1) > 1:
        raise ValueError(f"{file}: expected one image of four bands of 8 bits, got mode {image.mode}: convert it")
    image = ImageOps.exif_transpose(image)
"""
_SQUARE = """\
    left, top, side = (image.width - min(image.size)) // 2, (image.height - min(image.size)) // 2, min(image.size)
"""
_RESIZE = Template("""\
    bands = image.crop((left, top, left + side, top + side)).split()
    return np.float32([band.resize(($size, $size), Image.BICUBIC) for band in bands])


x = $scaled""")
_WHOLE = Template("""\
    return np.asarray(image).reshape(image.height, image.width, $channels)


pixels = np.stack([pixels_of(file) for file in files])  # of one size in a batch""")
_DEEP = Template("""\
    bands = []
    for page in range($pages):
        image.seek(page)
        grey = ImageOps.exif_transpose(image)
        if grey.mode not in ("L", "I", "I;16", "I;16B", "F") or getattr(image, "n_frames", 1) != $pages:
            raise ValueError(f"{file}: expected $pages grey page(s), got mode {grey.mode}: convert it")
        values = $values
        top, left, side = *((length - min(values.shape)) // 2 for length in values.shape), min(values.shape)
        square = Image.fromarray(np.float32(values.clip(0, 1)[top : top + side, left : left + side]))
        bands.append(np.asarray(square.resize(($size, $size), Image.BICUBIC)).clip(0, 1))
    return np.repeat(bands, $repeated, axis=0)


x = $scaled""")
_NONE = """\
raise ValueError("expected images of 8 bits, for PIL reads no four bands of 16: decode and scale them as said above")"""


@dataclass(frozen=True)
class ImagePreprocessing:
    """Images of any size and mode as squares.

    Args:
        size: height and width of a sample in pixels.
        channels: 1 (grey), 3 (red, green, blue), 4 (these and a measured band), or the number of pages.
        range: of a sample's numbers.
        values: those in a file that become the ends of ``range``, beyond which they are cut off; None: 8 bits.
        pages: of a file, each of them a grey channel; None: it has one, whose channels are colours.
        inside: whether the model itself resizes, crops and scales, and takes uint8 ``pixels`` (B, H, W, C).
    """

    size: int
    channels: int
    range: tuple[float, float] = (0.0, 1.0)
    values: Sequence[float] | None = None
    pages: int | None = None
    inside: bool = False

    @property
    def ends(self) -> Sequence[float]:
        """Values in a file that become the ends of ``range``."""
        return self.values or (0.0, 255.0)

    @property
    def _mode(self) -> str:
        return {1: "L", 3: "RGB", 4: "RGBA"}.get(self.channels, "L")

    @property
    def _order(self) -> list[str]:
        """What is done, one after the other."""
        if self.values is not None or self.pages is not None:
            return ["exif_orientation", "rescale", "clip", "center_square", "resize", "clip"]
        background = [] if self.channels == 4 else ["background"]
        return ["exif_orientation", *background, "mode", "center_square", "resize", "rescale"]

    def config(self) -> dict[str, Any]:
        """In the words of Hugging Face's image processors; those from ``order`` on are our own."""
        (least, most), (low, high) = self.ends, self.range
        factor, outside = (high - low) / (most - least), not self.inside
        return {
            "do_convert_rgb": self.channels == 3,
            "do_center_crop": outside,
            "crop_size": {"height": self.size, "width": self.size},
            "do_resize": outside,
            "size": {"shortest_edge": self.size},
            "resample": BICUBIC,
            "do_rescale": outside,
            "rescale_factor": factor,
            "do_normalize": outside and low != least * factor,
            "image_mean": [least * factor - low] * self.channels,
            "image_std": [1.0] * self.channels,
            "order": self._order,
            "type": "image",
            "mode": self._mode,
            "exif_orientation": "applied",
            "background": "white" if "background" in self._order else None,
            "values": [least, most],
            "pages": self.pages or 1,
            "draft": 2 * self.size,
            "input": "pixels (B, H, W, C) uint8" if self.inside else f"x (B, C, {self.size}, {self.size}) float32",
        }

    def sentences(self) -> list[str]:
        """From the file to the numbers."""
        colors = {1: "grey", 3: "red, green, blue in this order", 4: "red, green, blue and a fourth band"}
        color = colors[self.channels] if self.pages is None else f"{self.pages} grey pages of a file in their order"
        (least, most), (low, high) = self.ends, self.range
        clear = "transparency is laid on white, " if self.channels in (1, 3) and self.pages is None else ""
        deep = "" if self.values is None else "; what lies outside is cut off first"
        return [
            f"Images are turned upright (EXIF), {clear}and their channels are {color}; "
            f"{'in the model, ' * self.inside}the largest square in the centre is cut out and resized to {self.size} x "
            f"{self.size} (bicubic, antialiased, as PIL does it); {least:g} to {most:g} becomes {low:g} to {high:g}"
            f"{deep}.",
            f"A JPEG is decoded at 1/2, 1/4 or 1/8 of its size where no side falls below {2 * self.size} pixels "
            f"(PIL's `draft`).",
        ]

    def code(self) -> str:
        """With PIL."""
        deep = self.values is not None or self.pages is not None
        if deep and self.channels == 4 and self.pages is None:
            return _NONE
        rows, pages = "np.stack([pixels_of(file) for file in files])", self.pages or 1
        words = {"mode": self._mode, "size": self.size, "twice": 2 * self.size, "channels": self.channels}
        if deep:
            words |= {"pages": pages, "repeated": self.channels // pages, "scaled": scaling(rows, (0, 1), self.range)}
            return _OPEN + _DEEP.substitute(words, values=scaling("np.float64(grey)", self.ends, (0, 1)))
        read = _FOUR_BANDS if self.channels == 4 else _EIGHT_BITS.substitute(words)
        if self.inside:
            return _OPEN + read + _WHOLE.substitute(words)
        return _OPEN + read + _SQUARE + _RESIZE.substitute(words, scaled=scaling(rows, self.ends, self.range))
