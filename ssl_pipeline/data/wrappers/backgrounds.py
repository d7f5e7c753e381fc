"""Shapes pasted on backgrounds that go with their class: images with a shortcut, and masks that tell it apart."""

from __future__ import annotations

from math import pi
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Data, Dataset, Stream, Subset
from ssl_pipeline.data.codecs.image import Pixels
from ssl_pipeline.data.memory import MemoryDataset
from ssl_pipeline.data.synthetic.scenes import paint
from ssl_pipeline.data.wrappers.foreground import FOREGROUND, foreground_spec
from ssl_pipeline.structures.batch import Column, as_float
from ssl_pipeline.structures.random import generator

_PIXELS = Pixels(size=32, channels=3)

_SIZES = (20.0, 28.0)
"""Side in pixels that a shape is drawn at."""

_TELLS = {"colour": (True, False), "texture": (False, True), "both": (True, True)}
"""What of a background goes with the class: its colour, its texture."""


class Composed(NamedTuple):
    """Images, where their foreground is, and what they were made of."""

    x: UInt8[Tensor, "N 3 32 32"]
    foreground: Bool[Tensor, "N 1 32 32"]
    label: Int64[Tensor, "N"]
    kind: Int64[Tensor, "N"]  # the class whose kind of background it is


@register("data", "backgrounds", parts={"of": "data"})
def backgrounds(
    of: Data, agreement: float = 0.95, tells: str = "colour", samples: int = 4000, seed: int = 0, threshold: float = 0.3
) -> Data:
    """Bright shapes on a background that tells the class most of the time; the last quarter is held out.

    After Waterbirds (https://arxiv.org/abs/1911.08731), with a kind of background for each class. The column
    ``foreground`` holds the masks. The same options give the same images each time.

    Args:
        of: grey images of bright things on a dark ground with labels and a test part; held-out images show its test
            part.
        agreement: probability that the background is of the kind of the class, in both parts; else it is of another
            kind. With one in so many classes, backgrounds tell nothing.
        tells: what of the background is of a kind: colour, texture or both; the other is drawn from all kinds.
        samples: number of images, 8 at least.
        seed: of the draws.
        threshold: brightness from 0 to 1 above which a pixel of ``of`` is foreground.

    Raises:
        ValueError: other data, or an option outside its bounds.

    >>> from ssl_pipeline.data.named.digits import digits
    >>> data = backgrounds(digits(), samples=80)
    >>> len(data.train), len(data.test), data.grid.shape, data.columns["foreground"].grid.channels
    (60, 20, (32, 32), 1)
    """
    if tells not in _TELLS:
        raise ValueError(f"expected tells to be one of {', '.join(_TELLS)}, got {tells!r}")
    for name, value in (("agreement", agreement), ("threshold", threshold)):
        if not 0 <= value <= 1:
            raise ValueError(f"expected {name} from 0 to 1, got {value}")
    if samples < 8:
        raise ValueError(f"expected at least 8 samples, got {samples}")
    square = of.grid.ndim == 2 and len(set(of.grid.shape)) == 1
    if of.classes is None or of.test is None or of.grid.channels != 1 or not square:
        raise ValueError(
            f"expected square grey images with labels and a test part, got {of.name}: set data@data.of=digits"
        )
    held = samples // 4
    train, test = (
        draw_on_backgrounds(part, of, count, agreement, _TELLS[tells], seed, threshold)
        for part, count in ((of.train, samples - held), (of.test, held))
    )
    images = MemoryDataset(
        torch.cat([train.x, test.x]),
        labels=torch.cat([train.label, test.label]),
        columns={FOREGROUND: Column(torch.cat([train.foreground, test.foreground]).to(torch.uint8) * 255)},
    )
    return Data(
        grid=_PIXELS.grid,
        codec=_PIXELS,
        train=Subset(images, range(samples - held)),
        test=Subset(images, range(samples - held, samples)),
        classes=of.classes,
        name=f"{of.name}_on_backgrounds",
        columns={FOREGROUND: foreground_spec(_PIXELS.size)},
    )


def draw_on_backgrounds(
    part: Dataset | Stream,
    of: Data,
    samples: int,
    agreement: float,
    tells: tuple[bool, bool],
    seed: int,
    threshold: float,
) -> Composed:
    """Draw a thing, a place, a tint and a background for each image; arguments as in ``backgrounds``.

    Raises:
        ValueError: a part without labels.
    """
    if isinstance(part, Stream) or part.labels is None or of.classes is None:
        raise ValueError(f"expected samples with labels that can be drawn by number, got {of.name}: take another set")
    random, classes = generator("cpu", seed, "backgrounds", str(part is of.test)), len(of.classes)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(samples, *shape, generator=random)

    drawn = torch.randint(len(part), (samples,), generator=random)
    label = part.labels[drawn]
    another = (label + torch.randint(1, max(2, classes), (samples,), generator=random)) % classes
    kind = torch.where(uniform() < agreement, label, another)
    free = torch.randint(classes, (2, samples), generator=random)
    hue, grain = (torch.where(torch.tensor(of_class), kind, other) for of_class, other in zip(tells, free, strict=True))
    ground = texture(hue, grain, classes, uniform(3), _PIXELS.size)
    size = _SIZES[0] + (_SIZES[1] - _SIZES[0]) * uniform()
    place = {axis: (_PIXELS.size - size) * uniform() for axis in "xy"}
    shapes = paint(
        as_float(part[drawn].x, of.grid), **place, size=size, brightness=torch.ones(samples), side=_PIXELS.size
    )
    foreground = shapes > threshold
    tint = 0.7 + 0.3 * uniform(3, 1, 1)
    x = torch.where(foreground, shapes * tint, ground)
    return Composed((x * 255).round().to(torch.uint8), foreground, label, kind)


def texture(
    hue: Int64[Tensor, "N"], grain: Int64[Tensor, "N"], kinds: int, drawn: Float[Tensor, "N 3"], side: int
) -> Float[Tensor, "N 3 s s"]:
    """Waves across a colour: values from 0.05 to 0.65.

    Args:
        hue: kind of the colour, a place on the colour circle.
        grain: kind of the waves, a direction; every other kind has them twice as narrow.
        kinds: how many there are.
        drawn: from 0 to 1, what is each image's own: where its waves begin, their strength, its place within the hue.
        side: pixels.
    """
    phase, strength, shift = drawn.unbind(1)
    turn = (hue + 0.6 * (shift - 0.5)) / kinds
    thirds = torch.arange(3) / 3
    colour = 0.35 + 0.2 * torch.cos(2 * pi * (turn[:, None] - thirds))
    angle, length = pi * grain / kinds, torch.where(grain % 2 == 0, 8.0, 4.0)
    row, column = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    along = torch.einsum("nk,kyx->nyx", torch.stack([angle.cos(), angle.sin()], 1), torch.stack([column, row]).float())
    waves = torch.sin(2 * pi * (along / length[:, None, None] + phase[:, None, None]))
    return colour[:, :, None, None] + (0.05 + 0.05 * strength).view(-1, 1, 1, 1) * waves[:, None]
