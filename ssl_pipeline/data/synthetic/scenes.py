"""Digits anywhere on a dark ground: images of five independent factors."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Data, Subset
from ssl_pipeline.data.codecs.image import Pixels
from ssl_pipeline.data.memory import MemoryDataset
from ssl_pipeline.data.named.digits import HELD_OUT
from ssl_pipeline.structures.random import generator

_PIXELS = Pixels(size=24, channels=1)

RANGES = {"x": (0.0, 3.5), "y": (0.0, 3.5), "brightness": (0.1, 0.325), "size": (6.0, 10.0)}
"""Pixels from the left and the top to the digit, the strength of its lines, and its side in pixels."""

_REACHING = ("x", "y", "brightness")
"""Factors of which four times the range still fits the image."""

_CLASSES = 4
"""Classes that a factor is cut into where it is the label."""


class Scenes(NamedTuple):
    """Samples and what they were made of."""

    x: UInt8[Tensor, "N 1 24 24"]
    digit: Float[Tensor, "N"]
    factors: dict[str, Float[Tensor, "N"]]  # those of ``RANGES``, in their units


@register("data", "scenes")
def scenes(label: str = "digit", samples: int = 4000, seed: int = 0) -> Data:
    """scikit-learn's digits, each somewhere in the upper left, of some size and strength; the last quarter is held out.

    Held-out images show digits that training does not. The same options give the same images each time.

    Args:
        label: the factor that the labels tell: "digit", or "x", "y", "brightness", "size" in four classes.
        samples: number of images, 8 at least.
        seed: of the factors.

    Raises:
        ValueError: another label, or too few samples.

    >>> data = scenes(samples=80)
    >>> len(data.train), len(data.test), data.grid.shape
    (60, 20, (24, 24))
    """
    if label not in ("digit", *RANGES):
        raise ValueError(f"expected label to be one of digit, {', '.join(RANGES)}, got {label!r}")
    if samples < 8:
        raise ValueError(f"expected at least 8 samples, got {samples}")
    held = samples // 4
    made = [draw_scenes(samples - held, seed), draw_scenes(held, seed, held_out=True)]
    images = MemoryDataset(
        torch.cat([part.x for part in made]), labels=torch.cat([_classes(part, label) for part in made])
    )
    return Data(
        grid=_PIXELS.grid,
        codec=_PIXELS,
        train=Subset(images, range(samples - held)),
        test=Subset(images, range(samples - held, samples)),
        classes=tuple(map(str, range(10 if label == "digit" else _CLASSES))),
        name="scenes",
    )


def draw_scenes(samples: int, seed: int, held_out: bool = False, reach: int = 1) -> Scenes:
    """Draw the factors, each by itself, and paint them.

    Args:
        samples: number of images.
        seed: of the draw.
        held_out: with the digits that are held out, and other draws.
        reach: 1, or 2 or 4 for places and strengths beyond those of the data set: from half of so many times the range
            to the whole.

    >>> bright = draw_scenes(100, 0, reach=4).factors["brightness"]
    >>> 0.55 <= bright.min() and bright.max() <= 1
    tensor(True)
    """
    from sklearn.datasets import load_digits

    counts, digit = load_digits(return_X_y=True)
    shown = slice(-HELD_OUT, None) if held_out else slice(None, -HELD_OUT)
    glyphs, digit = torch.as_tensor(counts[shown]).float().div(16).view(-1, 1, 8, 8), torch.as_tensor(digit[shown])
    random = generator("cpu", seed, "scenes", str(held_out), reach)
    which = torch.randint(len(glyphs), (samples,), generator=random)
    factors = {}
    for name, (low, high) in RANGES.items():
        first, last = (reach / 2, reach) if reach > 1 and name in _REACHING else (0.0, 1.0)
        factors[name] = low + (high - low) * (first + (last - first) * torch.rand(samples, generator=random))
    x = paint(glyphs[which], **factors) * 255
    return Scenes(x.round().to(torch.uint8), digit[which].float(), factors)


def paint(
    glyphs: Float[Tensor, "N 1 g g"],
    x: Float[Tensor, "N"],
    y: Float[Tensor, "N"],
    brightness: Float[Tensor, "N"],
    size: Float[Tensor, "N"],
    side: int = _PIXELS.size,
) -> Float[Tensor, "N 1 s s"]:
    """Squares of ``side`` pixels with a glyph each, bilinear, so that places and sizes need not be whole pixels.

    Values lie from 0 to ``brightness``, the others are in pixels.
    """
    scale, zero = side / size, torch.zeros_like(size)
    # The affine map from the canvas, -1 to 1, to the digit's own -1 to 1.
    row_x = torch.stack([scale, zero, scale - 1 - 2 * x / size], dim=1)
    row_y = torch.stack([zero, scale, scale - 1 - 2 * y / size], dim=1)
    where = F.affine_grid(torch.stack([row_x, row_y], dim=1), [len(x), 1, side, side], align_corners=False)
    return F.grid_sample(glyphs, where, align_corners=False) * brightness.view(-1, 1, 1, 1)


def _classes(made: Scenes, label: str) -> Tensor:
    if label == "digit":
        return made.digit.long()
    low, high = RANGES[label]
    return ((made.factors[label] - low) / (high - low) * _CLASSES).long().clamp(max=_CLASSES - 1)
