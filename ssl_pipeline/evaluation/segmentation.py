"""How well the objects that were found in clips are the true ones."""

from __future__ import annotations

from collections.abc import Iterable
from math import nan
from typing import NamedTuple

import numpy as np
from jaxtyping import Integer
from sklearn.metrics import adjusted_rand_score


class RandIndex(NamedTuple):
    """Adjusted Rand index, 1 of the same partition and 0 of chance, mean over clips."""

    foreground: float  # over the cells of true objects, of clips that have some; NaN where none has
    all: float  # over all cells


def rand_index(
    true: Iterable[Integer[np.ndarray, "T H W"]], found: Iterable[Integer[np.ndarray, "T H W"]]
) -> RandIndex:
    """Compare objects of clips; a number stands for the same object in all frames, so that lost tracks count as errors.

    Args:
        true: number of the object at each cell; 0 of the ground.
        found: likewise.

    >>> true = np.array([[[0, 1, 2]], [[0, 1, 2]]])
    >>> rand_index([true], [3 * true]), round(rand_index([true], [true % 2]).all, 3)
    (RandIndex(foreground=1.0, all=1.0), 0.444)
    """
    of_objects, of_all = [], []
    for one, other in zip(true, found, strict=True):
        inside = one > 0
        if inside.any():
            of_objects.append(adjusted_rand_score(one[inside], other[inside]))
        of_all.append(adjusted_rand_score(one.ravel(), other.ravel()))
    return RandIndex(float(np.mean(of_objects)) if of_objects else nan, float(np.mean(of_all)))
