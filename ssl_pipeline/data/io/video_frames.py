"""Frames of video files, at even steps of time."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from ssl_pipeline.data.io.regular_file import check_regular
from ssl_pipeline.utils.extras import require

VIDEO_ENDINGS = (
    *(".mp4", ".avi", ".mov", ".mkv", ".webm"),
    *(".mpg", ".mpeg", ".m4v", ".wmv", ".flv", ".ogv", ".3gp", ".mts", ".m2ts"),
)
_GAP = 10.0
"""Seconds without a picture, or back in time, behind which a file is another one."""

_ROUNDING = 1e-4
"""Seconds that times in files are off."""
_FORMATS = {1: "gray", 3: "rgb24"}


def check_library() -> None:
    """Ask for what decodes videos.

    Raises:
        ModuleNotFoundError: PyAV is not installed.
    """
    require("av", "video", "video")


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
        ValueError: it has no pictures, they have no times, or it is a pipe or a device.
    """
    check_library()
    import av

    check_regular(file)
    with av.open(str(file)) as container:
        if not container.streams.video:
            raise ValueError("it holds no pictures")
        stream = container.streams.video[0]
        stream.codec_context.thread_type = "AUTO"
        stream.codec_context.thread_count = threads
        begin, count, shown, end = None, 0, None, 0.0
        for frame in container.decode(stream):
            if frame.time is None:
                raise ValueError("its pictures have no times")
            begin = frame.time if begin is None else begin
            if shown is not None and not -_GAP < frame.time - begin - end < _GAP:
                break  # files that were joined jump in time: what is behind a jump is cut off
            while shown is not None and count / fps < frame.time - begin - _ROUNDING:
                yield _array(shown, channels)
                count += 1
            shown, end = frame, frame.time - begin + _seconds(frame, 1 / fps)
        while shown is not None and count / fps < end - _ROUNDING:
            yield _array(shown, channels)
            count += 1


def _seconds(frame, otherwise: float) -> float:
    """How long a frame is shown."""
    return float(frame.duration * frame.time_base) if frame.duration and frame.time_base else otherwise


def _array(frame, channels: int) -> UInt8[np.ndarray, "H W C"]:
    pixels = frame.to_ndarray(format=_FORMATS[channels]).reshape(frame.height, frame.width, channels)
    return np.rot90(pixels, round(frame.rotation / 90))  # cameras that are turned store how far


def write_frames(file: Path, frames: UInt8[np.ndarray, "T H W C"], fps: float | int) -> None:
    """Write a video without loss (FFV1 in a Matroska container), whatever the ending of its name.

    Args:
        file: is written.
        frames: of 1 (grey) or 3 (red, green, blue) channels.
        fps: frames a second.

    Raises:
        ModuleNotFoundError: PyAV is not installed.
    """
    check_library()
    import av

    kind = _FORMATS[frames.shape[3]]
    pixels = np.ascontiguousarray(frames[..., 0] if kind == "gray" else frames)
    with av.open(str(file), "w", format="matroska") as container:
        stream = container.add_stream("ffv1", rate=Fraction(fps).limit_denominator(1001))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "gray" if kind == "gray" else "bgr0"
        for one in pixels:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(one, kind)))
        container.mux(stream.encode())
