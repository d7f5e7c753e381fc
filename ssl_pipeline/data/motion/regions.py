"""Numbered regions of the frames of a video."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Integer
from scipy import ndimage

CellIndices = Integer[np.ndarray, "_ 2"]
"""Rows and columns."""


def components(found: Bool[np.ndarray, "T H W"]) -> Integer[np.ndarray, "T H W"]:
    """Connected cells of each frame, diagonals included, numbered from 1 through all frames; 0 elsewhere.

    >>> components(np.array([[[True, False, True]], [[True, True, False]]])).tolist()
    [[[1, 0, 2]], [[3, 3, 0]]]
    """
    within = np.zeros((3, 3, 3), dtype=bool)
    within[1] = True
    parts = np.zeros(found.shape, dtype=np.int32)
    ndimage.label(found, within, output=parts)
    return parts


def clearest(parts: Integer[np.ndarray, "T H W"]) -> int:
    """The first frame that has most objects, where a piece of an object counts for what it is of the usual size."""
    sizes = np.bincount(parts.ravel())[1:]
    if not len(sizes):
        return 0
    usual = float(np.median(sizes))
    worth = np.concatenate([[0.0], np.minimum(sizes, usual) / usual])
    return int(np.argmax([worth[np.unique(frame)].sum() for frame in parts]))


def pieces(frame: Integer[np.ndarray, "H W"]) -> dict[int, CellIndices]:
    """Cells of each component of a frame, by its number."""
    boxes = enumerate(ndimage.find_objects(frame), 1)
    return {
        label: np.argwhere(frame[box] == label) + [edge.start for edge in box]
        for label, box in boxes
        if box is not None
    }


def lasting(ids: Integer[np.ndarray, "T H W"], life: int) -> Integer[np.ndarray, "T H W"]:
    """Without the objects that are in fewer frames, and numbered from 1 on without gaps.

    >>> lasting(np.array([[[1, 3, 0]], [[0, 3, 0]]]), life=2).tolist()
    [[[0, 1, 0]], [[0, 1, 0]]]
    """
    present = np.zeros((len(ids), int(ids.max()) + 1), dtype=bool)
    for t, frame in enumerate(ids):
        present[t, np.unique(frame)] = True
    keeps = present.sum(axis=0) >= life
    keeps[0] = False
    return np.where(keeps, np.cumsum(keeps), 0)[ids]
