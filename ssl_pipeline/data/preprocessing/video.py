"""How frames of videos become clips."""

from __future__ import annotations

from dataclasses import dataclass
from string import Template
from typing import Any

from ssl_pipeline.data.preprocessing.base import scaling
from ssl_pipeline.data.preprocessing.image import ImagePreprocessing

_CODE = Template("""\
import numpy as np
from PIL import Image

video = np.load("frames.npy")  # (T, H, W, $channels) uint8, upright, $fps frames a second
if video.dtype != np.uint8 or video.ndim != 4 or video.shape[3] != $channels or len(video) < $frames:
    raise ValueError(f"expected $frames or more frames (T, H, W, $channels) of uint8, got {video.shape} {video.dtype}")


def pixels_of(frame):
    image = Image.fromarray(frame.squeeze())
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    image = image.crop((left, top, left + side, top + side)).resize(($size, $size), Image.BICUBIC)
    return np.asarray(image, dtype=np.float32).reshape($size, $size, $channels)


starts = range(0, len(video) - $frames + 1, $frames)  # clip after clip
clips = np.stack([[pixels_of(frame) for frame in video[start : start + $frames]] for start in starts])
x = $scaled""")


@dataclass(frozen=True)
class ClipPreprocessing:
    """Videos of any size as clips of square frames.

    Args:
        frames: in a clip.
        fps: frames a second.
        image: how each of them is resized and scaled.
    """

    frames: int
    fps: float
    image: ImagePreprocessing

    def config(self) -> dict[str, Any]:
        """That of images, and the frames."""
        order = ["mode", "center_square", "resize", "rescale"]
        size = self.image.size
        about = {"type": "video", "num_frames": self.frames, "fps": self.fps, "order": order}
        kept = {key: value for key, value in self.image.config().items() if key not in ("draft", "background")}
        return kept | about | {"input": f"x (B, C, {self.frames}, {size}, {size}) float32"}

    def sentences(self) -> list[str]:
        """From the file to the numbers."""
        (least, most), (low, high) = self.image.ends, self.image.range
        color = "grey" if self.image.channels == 1 else "red, green, blue in this order"
        return [
            f"Of a video the frame that is shown at each time k / {self.fps:g} s is taken, upright, {color}, 8 bits "
            f"each; {self.frames} in a row are a clip. The largest square in the centre is cut out and resized to "
            f"{self.image.size} x {self.image.size} (bicubic, antialiased, as PIL does it); {least:g} to {most:g} "
            f"becomes {low:g} to {high:g}.",
            f"The lines below take frames that were decoded already, at {self.fps:g} a second.",
        ]

    def code(self) -> str:
        """With PIL, from decoded frames."""
        image = self.image
        return _CODE.substitute(
            channels=image.channels,
            size=image.size,
            frames=self.frames,
            fps=f"{self.fps:g}",
            scaled=scaling("clips.transpose(0, 4, 1, 2, 3)", image.ends, image.range),
        )
