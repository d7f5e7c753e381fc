"""Frames of video files, at even steps of time."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.nn.functional import interpolate

ENDINGS = (
    *(".mp4", ".avi", ".mov", ".mkv", ".webm"),
    *(".mpg", ".mpeg", ".m4v", ".wmv", ".flv", ".ogv", ".3gp", ".mts", ".m2ts"),
)
FORMATS = {1: "gray", 3: "rgb24"}


def check_library() -> None:
    """Ask for what decodes videos.

    Raises:
        ModuleNotFoundError: PyAV is not installed.
    """
    if find_spec("av") is None:
        raise ModuleNotFoundError("videos are read by PyAV, which is not installed: pip install 'ssl_pipeline[video]'")


def frames_of(
    file: str | Path, fps: float | int, channels: int, threads: int = 1
) -> Iterator[UInt8[np.ndarray, "H W C"]]:
    """The frame that is shown at each time k / fps, upright, in its own size.

    Args:
        file: in any container and codec that FFmpeg knows; of its streams the first one of pictures.
        fps: frames a second, below or above the file's own: frames are left out or repeated, never mixed.
        channels: 1 (grey) or 3 (red, green, blue).
        threads: of the decoder.

    Raises:
        ModuleNotFoundError: PyAV is not installed.
        OSError: the file cannot be decoded; at its beginning, or after some frames.
        ValueError: it has no pictures, or they have no times.
    """
    check_library()
    import av

    with av.open(str(file)) as container:
        if not container.streams.video:
            raise ValueError("it holds no pictures")
        stream = container.streams.video[0]
        stream.codec_context.thread_type = "AUTO"
        stream.codec_context.thread_count = threads
        step = 1 / fps
        begin, count, shown, lasts = None, 0, None, step
        for frame in container.decode(stream):
            if frame.time is None:
                raise ValueError("its pictures have no times")
            begin = frame.time if begin is None else begin
            # What is shown stays until the next frame comes; half a tick is left to the rounding of times.
            while shown is not None and count * step < frame.time - begin - 1e-4:
                yield _array(shown, channels)
                count += 1
            shown = frame
            lasts = frame.duration * float(frame.time_base) if frame.duration and frame.time_base else step
        while shown is not None and begin is not None and count * step < shown.time - begin + lasts - 1e-4:
            yield _array(shown, channels)
            count += 1


def _array(frame, channels: int) -> UInt8[np.ndarray, "H W C"]:
    pixels = frame.to_ndarray(format=FORMATS[channels]).reshape(frame.height, frame.width, channels)
    return np.rot90(pixels, round(frame.rotation / 90))  # cameras that are turned store how far


def squared(frames: UInt8[np.ndarray, "T H W C"], size: int) -> UInt8[Tensor, "T C {size} {size}"]:
    """Frames whose shorter side is resized to ``size``, the centre cropped, by the filter of images.

    >>> squared(np.zeros((2, 20, 40, 3), np.uint8), size=8).shape
    torch.Size([2, 3, 8, 8])
    """
    high, wide = frames.shape[1:3]
    side = min(high, wide)
    top, left = (high - side) // 2, (wide - side) // 2
    square = np.ascontiguousarray(frames[:, top : top + side, left : left + side])
    x = torch.from_numpy(square).permute(0, 3, 1, 2)
    return x if side == size else interpolate(x, size=(size, size), mode="bicubic", antialias=True)
