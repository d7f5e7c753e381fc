"""How files of images become pixels."""

from __future__ import annotations

from dataclasses import dataclass
from string import Template
from typing import Any

from ssl_pipeline.data.preprocessing.base import scaled

BICUBIC = 3
"""Number of the filter in PIL, and so in Hugging Face's ``resample``."""

_READ = Template("""\
import numpy as np
from PIL import Image, ImageOps  # Pillow 10.1 or newer

files = ["image.png"]


def pixels_of(file):
    image = Image.open(file)
    if image.mode.startswith(("I", "F")) or getattr(image, "n_frames", 1) > 1:
        raise ValueError(f"{file}: expected one image of 8 bits a channel, got mode {image.mode}: convert it")
    image.draft("$mode", ($twice, $twice))
    image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("$mode")
""")
_RESIZE = Template("""\
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    image = image.crop((left, top, left + side, top + side)).resize(($size, $size), Image.BICUBIC)
    return np.asarray(image, dtype=np.float32).reshape($size, $size, $channels).transpose(2, 0, 1)


x = $scaled""")
_WHOLE = Template("""\
    return np.asarray(image).reshape(image.height, image.width, $channels)


pixels = np.stack([pixels_of(file) for file in files])  # of one size in a batch""")


@dataclass(frozen=True)
class ImagePreprocessing:
    """Images of any size and mode as squares.

    Args:
        size: height and width of a sample in pixels.
        channels: 1 (grey) or 3 (red, green, blue).
        range: of a sample's numbers.
        values: of those in a file, which are brought into ``range``.
        inside: whether the model itself resizes, crops and scales, and takes uint8 ``pixels`` (B, H, W, C).
    """

    size: int
    channels: int
    range: tuple[float, float] = (0.0, 1.0)
    values: tuple[float, float] = (0.0, 255.0)
    inside: bool = False

    @property
    def mode(self) -> str:
        """PIL's name of the channels."""
        return {1: "L", 3: "RGB"}[self.channels]

    def config(self) -> dict[str, Any]:
        """In the words of Hugging Face's image processors; those below ``order`` are our own."""
        (least, most), (low, high) = self.values, self.range
        factor, outside = (high - low) / (most - least), not self.inside
        square = {"height": self.size, "width": self.size}
        return {
            "do_convert_rgb": self.channels == 3,
            "do_center_crop": outside,
            "crop_size": square,
            "do_resize": outside,
            "size": {"shortest_edge": self.size},
            "resample": BICUBIC,
            "do_rescale": outside,
            "rescale_factor": factor,
            "do_normalize": outside and low != least * factor,
            "image_mean": [least * factor - low] * self.channels,
            "image_std": [1.0] * self.channels,
            "order": ["exif_orientation", "background", "mode", "center_square", "resize", "rescale"],
            "type": "image",
            "mode": self.mode,
            "exif_orientation": "applied",
            "background": "white",
            "bits": 8,
            "draft": 2 * self.size,
            "input": "pixels (B, H, W, C) uint8" if self.inside else f"x (B, C, {self.size}, {self.size}) float32",
        }

    def sentences(self) -> list[str]:
        """From the file to the numbers."""
        color = "grey" if self.channels == 1 else "red, green, blue in this order"
        (least, most), (low, high) = self.values, self.range
        where = "in the model: " if self.inside else ""
        return [
            f"Images are turned upright (EXIF), transparency is laid on white, and they become {color}, 8 bits each; "
            f"{where}the largest square in the centre is cut out and resized to {self.size} x {self.size} (bicubic, "
            f"antialiased, as PIL does it); {least:g} to {most:g} becomes {low:g} to {high:g}.",
            f"A JPEG is decoded at 1/2, 1/4 or 1/8 of its size where no side falls below {2 * self.size} pixels "
            f"(PIL's `draft`).",
        ]

    def code(self) -> str:
        """With PIL."""
        rows = scaled("np.stack([pixels_of(file) for file in files])", self.values, self.range)
        words = {"mode": self.mode, "size": self.size, "twice": 2 * self.size, "channels": self.channels}
        return _READ.substitute(words) + (_WHOLE if self.inside else _RESIZE).substitute(words, scaled=rows)
