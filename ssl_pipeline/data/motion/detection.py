"""What moves in a video: change against the background, or from frame to frame, above the noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from ssl_pipeline.data.motion.regions import components

Video = Float[np.ndarray, "T H W"]

_TO_SIGMA = 1.4826
"""Standard deviation of a normal variable over the median of its absolute values."""


def static(video: Video, window: int | None = None) -> Video:
    """Signed change against a camera's background: the median of each pixel over time.

    Args:
        video: brightness, 0 to 1.
        window: frames that share a background, for light that changes slowly; None: all.

    >>> video = np.zeros((5, 1, 3)); video[2, 0, 1] = 1
    >>> static(video)[2, 0].tolist()
    [0.0, 1.0, 0.0]
    """
    step = window or len(video)
    parts = [video[start : start + step] for start in range(0, len(video), step)]
    if len(parts) > 1 and len(parts[-1]) < step:  # a few frames are no background
        parts[-2:] = [np.concatenate(parts[-2:])]
    return np.concatenate([part - np.median(part, axis=0) for part in parts])


def moving(video: Video, window: int | None = None) -> Video:
    """Signed change against the frames before and after, whichever is less: for a camera that moves.

    Of an object of one brightness it shows the borders only, and of one that stands nothing.

    Args:
        video: brightness, 0 to 1.
        window: not looked at.
    """
    # At the ends the second next frame takes the place of the one that is missing.
    before = np.diff(video, axis=0, prepend=video[2:3])
    after = -np.diff(video, axis=0, append=video[-3:-2])
    return np.where(np.abs(before) < np.abs(after), before, after)


CAMERAS: dict[str, Callable[[Video, int | None], Video]] = {"static": static, "moving": moving}


def foreground(
    video: Video,
    camera: str = "static",
    threshold: float | int = 4.0,
    least: float | int = 0.05,
    around: int | None = 7,
    blur: float | int = 0.5,
    join: int = 1,
    area: int = 8,
    window: int | None = None,
) -> Bool[np.ndarray, "T H W"]:
    """Cells that change by more than the noise does.

    The noise is measured in the change itself: most cells show nothing else.

    Args:
        video: brightness, 0 to 1.
        camera: "static": change against the background; "moving": change from frame to frame.
        threshold: in standard deviations of the noise.
        least: change below it is none, however little the noise; 1 is from black to white.
        around: cells along y and x that share their noise where it is more than usual, as of leaves in the wind; they
            must be still for most of the time. None: all cells have the same noise.
        blur: standard deviation in cells of a Gaussian before the threshold.
        join: cells by which gaps are closed.
        area: cells of the smallest object.
        window: frames that share a background; None: all.

    Raises:
        ValueError: another camera, or fewer than 3 frames.

    >>> video = np.zeros((6, 8, 8)); video[range(6), 3:6, range(6)] = 1
    >>> foreground(video, blur=0, area=1).sum(axis=(1, 2)).tolist()
    [3, 3, 3, 3, 3, 3]
    """
    if camera not in CAMERAS:
        raise ValueError(f"expected camera to be one of {', '.join(CAMERAS)}, got {camera!r}")
    if len(video) < 3:
        raise ValueError(f"expected at least 3 frames to see motion in, got {len(video)}: take longer clips")
    change = np.abs(ndimage.gaussian_filter(CAMERAS[camera](video, window), (0, blur, blur)))
    noise = np.median(change)
    if around is not None:
        noise = np.maximum(noise, ndimage.median_filter(np.median(change, axis=0), around))
    found = change > np.maximum(threshold * _TO_SIGMA * noise, least)
    if join:
        padded = np.pad(found, ((0, 0), (join, join), (join, join)))  # closing takes what lies outside for empty
        found = ndimage.binary_closing(padded, diamond(join)[None])[:, join:-join, join:-join]
    parts = components(found)
    large = np.bincount(parts.ravel()) >= area
    return np.logical_and(found, large[parts])


def diamond(reach: int) -> Bool[np.ndarray, "n n"]:
    """Cells that so many steps up, down, left or right lead to.

    >>> diamond(1).astype(int).tolist()
    [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
    """
    line = np.abs(np.arange(-reach, reach + 1))
    return line[:, None] + line <= reach
