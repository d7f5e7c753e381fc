"""Handwritten digits, 8 by 8: the set that needs no download."""

from __future__ import annotations

import torch

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Data, Subset
from ssl_pipeline.data.codecs.image import Pixels
from ssl_pipeline.data.memory import MemoryDataset

_PIXELS = Pixels(size=8, channels=1)

HELD_OUT = 360
"""The last fifth. Samples lie in the order of their writers, so it mostly tests on writers not seen in training."""


@register("data", "digits")
def digits() -> Data:
    """scikit-learn's 1,797 digits: 1,437 to learn from, 360 held out.

    >>> data = digits()
    >>> len(data.train), len(data.test), data.grid.shape
    (1437, 360, (8, 8))
    """
    from sklearn.datasets import load_digits

    counts, target = load_digits(return_X_y=True)
    x = torch.as_tensor(counts).mul(255 / 16).round().to(torch.uint8).view(-1, 1, 8, 8)  # they count 0..16
    dataset = MemoryDataset(x, labels=torch.as_tensor(target).long())
    cut = len(dataset) - HELD_OUT
    return Data(
        grid=_PIXELS.grid,
        codec=_PIXELS,
        train=Subset(dataset, range(cut)),
        test=Subset(dataset, range(cut, len(dataset))),
        classes=tuple(str(digit) for digit in range(10)),
        name="digits",
    )
