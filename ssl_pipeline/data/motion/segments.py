"""From a video to the objects that move in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Integer

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.motion.detection import CAMERAS, Video, foreground
from ssl_pipeline.data.motion.tracking import tracked


@register("segments", "motion")
@dataclass(frozen=True)
class MotionSegments:
    """What changes against the background, or from frame to frame, followed through time.

    Args:
        camera: see ``foreground``, as all options up to ``window``.
        threshold: in standard deviations of the noise.
        least: change below it is none.
        around: cells that share their noise; None: all.
        blur: standard deviation in cells of a Gaussian before the threshold.
        join: cells by which gaps are closed.
        area: cells of the smallest object.
        window: frames that share a background; None: all.
        reach: see ``tracked``, as all further options; cells from the expected place of an object, at most.
        patience: frames in which an object may be hidden.
        life: frames of the shortest track that counts.

    Raises:
        ValueError: an option outside its bounds.

    >>> video = np.zeros((6, 8, 12)); video[range(6), 3:6, range(0, 12, 2)] = 1
    >>> MotionSegments(blur=0, area=1)(video).max(axis=(1, 2)).tolist()
    [1, 1, 1, 1, 1, 1]
    """

    camera: str = "static"
    threshold: float | int = 4.0
    least: float | int = 0.05
    around: int | None = 7
    blur: float | int = 0.5
    join: int = 1
    area: int = 8
    window: int | None = None
    reach: int = 3
    patience: int = 2
    life: int = 3

    def __post_init__(self) -> None:
        if self.camera not in CAMERAS:
            raise ValueError(f"expected camera to be one of {', '.join(CAMERAS)}, got {self.camera!r}")
        least = {"threshold": 0, "least": 0, "around": 1, "blur": 0, "join": 0, "area": 1}
        least |= {"window": 3, "reach": 0, "patience": 0, "life": 1}
        for name, lowest in least.items():
            if (value := getattr(self, name)) is not None and value < lowest:
                raise ValueError(f"expected {name} of at least {lowest}, got {value}")

    def __call__(self, video: Video) -> Integer[np.ndarray, "T H W"]:
        """Number of the object at each cell, the same in all frames; 0 where nothing moves."""
        found = foreground(
            video, self.camera, self.threshold, self.least, self.around, self.blur, self.join, self.area, self.window
        )
        return tracked(found, self.reach, self.patience, self.life)
