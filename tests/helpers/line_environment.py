"""A small environment of Gymnasium's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest


@contextmanager
def line_environment() -> Iterator[None]:
    """``Line-v0``: a walk on the places 3 to 7 by the actions 1 (down) and 2 (up), shown as ``space`` says."""
    gymnasium = pytest.importorskip("gymnasium")

    class Line(gymnasium.Env):
        action_space = gymnasium.spaces.Discrete(2, start=1)
        shown = staticmethod(lambda place: place)

        def __init__(self, space="choices"):
            kinds = {
                "choices": (gymnasium.spaces.Discrete(5, start=3), lambda place: place),
                "matrix": (gymnasium.spaces.Box(0, 9, (2, 3)), lambda place: np.full((2, 3), place, dtype=np.float32)),
                "frames": (gymnasium.spaces.Box(0, 255, (4, 8, 8), np.uint8), None),
            }
            self.observation_space, self.shown = kinds[space]

        def reset(self, *, seed=None, options=None):
            self.place = 5
            return self.shown(self.place), {}

        def step(self, action):
            self.place = min(max(self.place + (1 if action == 2 else -1), 3), 7)
            return self.shown(self.place), 0.0, False, False, {}

    gymnasium.register("Line-v0", Line)
    try:
        yield
    finally:
        gymnasium.registry.pop("Line-v0")
