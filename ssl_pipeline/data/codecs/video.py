"""From videos of any size to clips of square uint8 frames, and back to files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped, UInt8
from PIL import Image
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.io.eight_bits import MODES
from ssl_pipeline.data.io.squares import squared
from ssl_pipeline.data.io.video_frames import frames_of
from ssl_pipeline.data.preprocessing.image import ImagePreprocessing
from ssl_pipeline.data.preprocessing.video import ClipPreprocessing
from ssl_pipeline.structures.grid import GridSpec


def clip_grid(frames: int, size: int, channels: int, fps: float | int) -> GridSpec:
    """Grid of clips of square frames; time is in seconds.

    Raises:
        ValueError: neither 1 (grey) nor 3 (red, green, blue) channels; no frame, no pixel, or no frame a second.

    >>> clip_grid(8, 32, 1, fps=4).axes[0]
    Axis(name='time', size=8, spacing=0.25)
    """
    if channels not in MODES:
        raise ValueError(f"expected channels=1 (grey) or channels=3 (red, green, blue), got channels={channels}")
    if min(frames, size) < 1 or fps <= 0:
        raise ValueError(
            f"expected at least one frame and one pixel, and fps above 0, got frames={frames}, size={size}, fps={fps}"
        )
    return GridSpec.of(("time", frames, 1 / fps), ("y", size), ("x", size), channels=channels, storage=255)


@register("codec", "clips")
@dataclass(frozen=True)
class Clips:
    """Clips as they are, 8 bits a channel.

    Args:
        size: height and width in pixels.
        channels: 1 (grey) or 3 (red, green, blue).
        frames: of a clip.
        fps: frames a second.

    Raises:
        ValueError: another number of channels, or a number below its least.

    >>> x, _ = Clips(size=2, channels=1, frames=3, fps=8).encode([np.full((5, 6, 4, 1), 255, np.uint8)])
    >>> x.shape, int(x.min())
    (torch.Size([1, 1, 3, 2, 2]), 255)
    """

    size: int
    channels: int
    frames: int
    fps: float | int

    def __post_init__(self) -> None:
        clip_grid(self.frames, self.size, self.channels, self.fps)

    @property
    def grid(self) -> GridSpec:
        return clip_grid(self.frames, self.size, self.channels, self.fps)

    def preprocessing(self) -> ClipPreprocessing:
        return ClipPreprocessing(self.frames, self.fps, ImagePreprocessing(self.size, self.channels, self.grid.range))

    def encode(self, raw: Sequence[Any]) -> tuple[UInt8[Tensor, "B C T H W"], None]:
        """The first clip of each video: of a file, or of its frames (T, H, W, C) at the codec's own rate.

        Raises:
            ValueError: something else, frames of another number of channels or not of 8 bits, a file that cannot be
                read, or one that is shorter than a clip.
            FileNotFoundError: there is no such file.
        """
        if wrong := [one for one in raw if not isinstance(one, (np.ndarray, str, Path))]:
            raise ValueError(
                f"expected videos as paths or as arrays of frames (T, H, W, C), got {type(wrong[0]).__name__}: "
                f"convert it"
            )
        clips = [self._of_array(one) if isinstance(one, np.ndarray) else self._of_file(one) for one in raw]
        empty = torch.zeros(0, self.channels, self.frames, self.size, self.size, dtype=torch.uint8)
        return torch.stack(clips) if clips else empty, None

    def _of_file(self, file: str | Path) -> UInt8[Tensor, "C T H W"]:
        if not Path(file).is_file():
            raise FileNotFoundError(f"there is no file {str(file)!r}: give the path of a video")
        try:
            found = [*islice(frames_of(file, self.fps, self.channels), self.frames)]
        except (OSError, ValueError) as error:
            raise ValueError(f"{file} cannot be read as a video: {' '.join(str(error).split())}") from None
        if len(found) < self.frames:
            raise ValueError(
                f"expected {self.frames} frames at {self.fps:g} a second, got {len(found)} in {file}: give a longer one"
            )
        return self._of_array(np.stack(found))

    def _of_array(self, frames: Shaped[np.ndarray, "..."]) -> UInt8[Tensor, "C T H W"]:
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != self.channels:
            raise ValueError(
                f"expected frames (T, H, W, {self.channels}) of uint8, got {frames.shape} {frames.dtype}: convert them"
            )
        if len(frames) < self.frames:
            raise ValueError(f"expected {self.frames} frames or more, got {len(frames)}: give a longer video")
        return squared(frames[: self.frames], self.size).transpose(0, 1)

    def decode(self, x: Tensor, valid: Tensor | None = None) -> list[UInt8[np.ndarray, "T H W C"]]:
        """Frames of samples: floats are in the grid's range, what lies outside is cut off."""
        pixels = x if x.dtype == torch.uint8 else (x.float().clamp(0, 1) * 255).round().to(torch.uint8)
        return [*pixels.permute(0, 2, 3, 4, 1).cpu().numpy()]

    def write(self, path: Path, x: Tensor, valid: Tensor | None = None) -> Path:
        """Write one sample as an animated GIF, whose pictures stand for whole hundredths of a second."""
        file = path.parent / f"{path.name}.gif"
        first, *rest = (Image.fromarray(one if self.channels == 3 else one[..., 0]) for one in self.decode(x[None])[0])
        hundredths = max(2, round(100 / self.fps))  # players show less than two as ten
        first.save(file, save_all=True, append_images=rest, duration=10 * hundredths, loop=0)
        return file

    def plain(self) -> dict[str, Any]:
        """``type`` and options, from which it can be built again."""
        return {"type": "clips", **asdict(self)}


def film_strip(x: Shaped[Tensor, "C T H W"], most: int = 4) -> Shaped[Tensor, "C H w"]:
    """Some frames of a clip side by side, the first and the last among them.

    >>> film_strip(torch.arange(6).view(1, 6, 1, 1), most=3)
    tensor([[[0, 2, 5]]])
    """
    chosen = torch.linspace(0, x.shape[1] - 1, min(most, x.shape[1])).long()
    return torch.cat([*x[:, chosen].unbind(1)], dim=-1)
