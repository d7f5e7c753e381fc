"""Digits that move over a textured ground: clips in which motion tells the objects, and brightness does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64, UInt8
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn import functional as F

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import ColumnSpec, Data, Subset
from ssl_pipeline.data.codecs.video import Clips
from ssl_pipeline.data.memory import MemoryDataset
from ssl_pipeline.data.named.digits import HELD_OUT
from ssl_pipeline.structures.batch import Column
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.structures.random import generator

_SIDE = (8.0, 11.0)
"""Pixels of a digit's side."""
_SPEED = (1.5, 2.5)
"""Pixels that it moves from a frame to the next."""
_VALUE = (0.8, 1.0)
"""Brightness of its lines."""
_GROUND = 0.9
"""Brightness of the brightest ground; all below are as frequent."""
_BOLD = 1.6
"""Factor of the strength of lines, before they are cut off at 1."""
_TEXTURE = 1.8
"""Pixels: standard deviation of the blur that makes the ground of white noise."""
_FPS = 8
CELLS = "cells"
"""Name of the column that tells the class of each cell: 0 of the ground, 1 more than its digit of an object."""
_CHUNK = 2**13  # frames that are painted at once


class Moving(NamedTuple):
    """Sequences and what they were made of."""

    x: UInt8[Tensor, "N 1 T H W"]
    objects: UInt8[Tensor, "N T H W"]  # 0: the ground; k: the k-th object, of which the later ones lie in front
    digit: Int64[Tensor, "N K"]  # -1 where there are fewer objects


@register("data", "moving_digits")
def moving_digits(
    clips: int = 2000,
    frames: int = 8,
    size: int = 32,
    digits: int | Sequence[int] = (1, 3),
    per_source: int = 2,
    noise: float | int = 0.02,
    grounds: int | None = 16,
    maps: bool = False,
    seed: int = 0,
) -> Data:
    """scikit-learn's digits, moving with constant velocity and bouncing; the last quarter is held out.

    Held-out clips show digits and grounds that training does not. The label is the digit that shows most. The same
    options give the same clips each time.

    Args:
        clips: number of clips.
        frames: of a clip, 8 a second.
        size: height and width in pixels, 16 at least.
        digits: objects in a clip, a number or the least and the most, drawn for each source.
        per_source: clips that are cut one after the other from one sequence; they are one source.
        noise: standard deviation of the sensor's noise, where 1 is from black to white.
        grounds: number of cameras, each of which stands before a ground of its own; None: as many as sources.
        maps: tell the class of each cell too, as the column ``cells``.
        seed: of all that is drawn.

    Raises:
        ValueError: fewer than two sources on either side; a number below its least.

    >>> data = moving_digits(clips=16)
    >>> len(data.train), len(data.test), data.grid.shape
    (12, 4, (8, 32, 32))
    """
    sequences = clips // max(per_source, 1)
    held = sequences // 4
    if per_source < 1 or held < 2:
        raise ValueError(f"expected at least 8 sources, got clips={clips} of per_source={per_source}: set more clips")
    codec, length = Clips(size, 1, frames, _FPS), frames * per_source
    options = {"size": size, "digits": digits, "noise": noise, "grounds": grounds}
    parts = [
        render_clips(sequences - held, length, seed=seed, **options),
        render_clips(held, length, seed=seed, held_out=True, **options),
    ]
    x, objects = (torch.cat([cut(some, frames) for some in both]) for both in zip(*(p[:2] for p in parts), strict=True))
    digit = torch.cat([part.digit for part in parts]).repeat_interleave(per_source, 0)
    columns = {CELLS: Column(classes_of_cells(objects, digit))} if maps else {}
    source = torch.arange(sequences).repeat_interleave(per_source)
    stored = MemoryDataset(x, labels=most_visible(objects, digit), source=source, columns=columns)
    first = (sequences - held) * per_source
    spec = {CELLS: ColumnSpec(GridSpec(axes=codec.grid.axes, vocab=11))} if maps else {}
    return Data(
        grid=codec.grid,
        codec=codec,
        train=Subset(stored, range(first)),
        test=Subset(stored, range(first, len(stored))),
        classes=tuple(map(str, range(10))),
        name="moving_digits",
        columns=spec,
    )


def _glyphs(held_out: bool) -> tuple[Float[Tensor, "N 1 8 8"], Int64[Tensor, "N"]]:
    """Digits, from 0 to 1, and which they are."""
    from sklearn.datasets import load_digits

    counts, digit = load_digits(return_X_y=True)
    shown = slice(-HELD_OUT, None) if held_out else slice(None, -HELD_OUT)
    return torch.as_tensor(counts[shown]).float().div(16).view(-1, 1, 8, 8), torch.as_tensor(digit[shown])


def render_clips(
    sequences: int,
    frames: int,
    *,
    size: int = 32,
    digits: int | Sequence[int] = (1, 3),
    noise: float | int = 0.02,
    grounds: int | None = 16,
    seed: int = 0,
    held_out: bool = False,
) -> Moving:
    """Draw what moves, where and how fast, and paint it.

    Args:
        sequences: how many.
        frames: of each.
        size: see ``moving_digits``, as all further options.
        held_out: with the digits that are held out, and other draws.

    Raises:
        ValueError: a number below its least.

    >>> made = render_clips(2, 5, digits=2)
    >>> made.x.shape, made.objects.unique()
    (torch.Size([2, 1, 5, 32, 32]), tensor([0, 1, 2], dtype=torch.uint8))
    """
    least, most = (digits, digits) if isinstance(digits, int) else digits
    if not 1 <= least <= most or size < 16 or noise < 0 or (grounds is not None and grounds < 1):
        raise ValueError(
            "expected 1 <= least <= most digits, size of at least 16, noise of at least 0 and at least one ground, "
            f"got digits={digits}, size={size}, noise={noise}, grounds={grounds}"
        )
    (glyphs, digit), random = _glyphs(held_out), generator("cpu", seed, "moving_digits", str(held_out))

    def draw(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=random)

    which = torch.randint(len(glyphs), (sequences, most), generator=random)
    side, value = draw(*_SIDE, sequences, most), draw(*_VALUE, sequences, most)
    room = size - side
    begin, angle = draw(0, 1, sequences, most, 2) * room.unsqueeze(-1), draw(0, 2 * torch.pi, sequences, most)
    velocity = torch.stack([angle.cos(), angle.sin()], dim=-1) * draw(*_SPEED, sequences, most).unsqueeze(-1)
    present = torch.arange(most) < torch.randint(least, most + 1, (sequences, 1), generator=random)
    there = present.view(sequences, most, 1, 1, 1)
    path = torch.arange(frames).view(1, 1, -1, 1) * velocity.unsqueeze(2)
    place = bounced(begin.unsqueeze(2) + path, room.view(sequences, most, 1, 1))
    count = sequences if grounds is None else grounds
    behind = ground(torch.randn(count, size, size, generator=random))
    camera = torch.arange(sequences) if grounds is None else torch.randint(count, (sequences,), generator=random)
    x, objects = torch.empty(2, sequences, frames, size, size, dtype=torch.uint8)
    for rows in torch.arange(sequences).split(max(1, _CHUNK // frames)):
        light = behind[camera[rows]].unsqueeze(1).repeat(1, frames, 1, 1)
        ids = torch.zeros(light.shape, dtype=torch.uint8)
        for k in range(most):
            cover = painted(glyphs[which[rows, k]], place[rows, k], side[rows, k], size) * there[rows, k]
            light = torch.lerp(light, value[rows, k].view(-1, 1, 1, 1), cover)
            ids = ids.masked_fill(cover > 0.5, k + 1)
        light = light + noise * torch.randn(light.shape, generator=random)
        x[rows], objects[rows] = (light.clamp(0, 1) * 255).round().to(torch.uint8), ids
    return Moving(x.unsqueeze(1), objects, digit[which].masked_fill(~present, -1))


def bounced(place: Float[Tensor, "*rest"], room: Float[Tensor, "*room"]) -> Float[Tensor, "*rest"]:
    """A place on a straight line, thrown back at 0 and at ``room``.

    >>> bounced(torch.tensor([-1.0, 2.0, 7.0]), torch.tensor(5.0))
    tensor([1., 2., 3.])
    """
    return room - (room - place.remainder(2 * room)).abs()


def ground(white: Float[Tensor, "N H W"]) -> Float[Tensor, "N H W"]:
    """White noise as a texture of all brightnesses up to ``GROUND``, each as frequent."""
    smooth = torch.from_numpy(gaussian_filter(white.numpy(), (0, _TEXTURE, _TEXTURE), mode="wrap"))
    std = smooth.flatten(1).std(1).clamp(min=1e-6).view(-1, 1, 1)
    return _GROUND * torch.special.ndtr(smooth / std)


def painted(
    glyphs: Float[Tensor, "N 1 8 8"], place: Float[Tensor, "N T 2"], side: Float[Tensor, "N"], size: int
) -> Float[Tensor, "N T {size} {size}"]:
    """How far each pixel is covered by a digit, 0 to 1; bilinear, so that places need not be whole pixels.

    Args:
        place: pixels from the left and from the top to the digit.
        side: of the digit, in pixels.
    """
    frames = place.shape[1]
    place, side = place.flatten(0, 1), side.repeat_interleave(frames)
    scale, zero = size / side, torch.zeros_like(side)
    # The affine map from the canvas, -1 to 1, to the digit's own -1 to 1.
    row_x = torch.stack([scale, zero, scale - 1 - 2 * place[:, 0] / side], dim=1)
    row_y = torch.stack([zero, scale, scale - 1 - 2 * place[:, 1] / side], dim=1)
    where = F.affine_grid(torch.stack([row_x, row_y], dim=1), [len(side), 1, size, size], align_corners=False)
    cover = F.grid_sample((_BOLD * glyphs).clamp(max=1).repeat_interleave(frames, 0), where, align_corners=False)
    return cover.view(-1, frames, size, size)


def cut(x: Tensor, frames: int) -> Tensor:
    """Sequences (N, [1,] T, H, W) as clips (N * T / frames, [1,] frames, H, W), in their order."""
    time = x.ndim - 3
    return x.unflatten(time, (-1, frames)).movedim(time, 1).flatten(0, 1)


def most_visible(objects: UInt8[Tensor, "N T H W"], digit: Int64[Tensor, "N K"]) -> Int64[Tensor, "N"]:
    """The digit of the object that has the most cells."""
    cells = torch.stack([(objects == k + 1).flatten(1).sum(1) for k in range(digit.shape[1])], dim=1)
    return digit.gather(1, cells.argmax(1, keepdim=True)).squeeze(1)


def classes_of_cells(objects: UInt8[Tensor, "N T H W"], digit: Int64[Tensor, "N K"]) -> Int64[Tensor, "N T H W"]:
    """0 of the ground, 1 more than its digit of an object."""
    known = F.pad(digit + 1, (1, 0))
    return known.gather(1, objects.flatten(1).long()).view(objects.shape)
