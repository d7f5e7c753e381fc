"""Random windows of a grid: how large, where, and which index of the input each output cell reads."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ssl_pipeline.corruptions.base import Range, draw


class Span(NamedTuple):
    """A window along one axis, in cells of the input."""

    start: Tensor  # (B,): its first edge
    side: Tensor  # (B,): its length


TRIES = 10
"""How often a window is drawn that is to fit, as by torchvision's ``RandomResizedCrop``."""


def fractions(
    scale: Range, ratio: tuple[float, float], ndim: int, batch: int, generator: torch.Generator
) -> list[Float[Tensor, "B"]]:
    """Sides of windows, as fractions of the axes.

    The volume is uniform and the aspect (last axis to the one before it) log-uniform; a window longer than an axis is
    drawn again, so that large volumes and long aspects are rarer together. What never fits is the largest window of
    an aspect within the bounds.

    >>> y, x = fractions(0.25, (4.0, 4.0), 2, 1, torch.Generator())
    >>> y, x
    (tensor([0.2500]), tensor([1.]))
    """
    if ndim == 1:
        return [draw(scale, batch, generator)]
    low, high = math.log(ratio[0]), math.log(ratio[1])
    side = draw(scale, TRIES * batch, generator).log().view(TRIES, batch) / ndim
    aspect = draw((low, high), TRIES * batch, generator).view(TRIES, batch)
    fits = side + aspect.abs() / 2 < 1e-6
    first = fits.int().argmax(0, keepdim=True)
    none = ~fits.any(0)
    side = side.gather(0, first)[0].masked_fill(none, 0.0)
    aspect = aspect.gather(0, first)[0].masked_fill(none, 2 * min(max(0.0, low), high))
    sides = [side] * (ndim - 2) + [side - aspect / 2, side + aspect / 2]
    return [s.clamp(max=0).exp() for s in sides]


def valid_extent(valid: Bool[Tensor, "B *grid"], axis: int) -> tuple[Float[Tensor, "B"], Float[Tensor, "B"]]:
    """First index along an axis that is not all padding, and the number of indices from there to the last such one.

    >>> valid_extent(torch.tensor([[False, True, True, True, False]]), axis=0)
    (tensor([1.]), tensor([3.]))
    """
    line = valid.movedim(axis + 1, 1).reshape(valid.shape[0], valid.shape[axis + 1], -1).any(2).int()
    first = line.argmax(1)
    return first.float(), (line.shape[1] - line.flip(1).argmax(1) - first).float()


def stretched(span: Span, cells: int) -> Float[Tensor, "B {cells}"]:
    """Centres of ``cells`` equal parts of the window."""
    index = torch.arange(cells, device=span.start.device)
    return span.start.unsqueeze(1) + (index + 0.5) * (span.side / cells).unsqueeze(1) - 0.5


def kept(span: Span, cells: int) -> tuple[Float[Tensor, "B {cells}"], Bool[Tensor, "B {cells}"]]:
    """``cells`` consecutive indices from the window's first on, and which of them lie in the window."""
    index = torch.arange(cells, device=span.start.device)
    return span.start.unsqueeze(1) + index, index < span.side.unsqueeze(1)


def mirrored(line: Float[Tensor, "B k"], span: Span, flip: Bool[Tensor, "B"]) -> Float[Tensor, "B k"]:
    """The window read from its other end where ``flip`` is True."""
    ends = 2 * span.start + span.side - 1
    return torch.where(flip.unsqueeze(1), ends.unsqueeze(1) - line, line)


def clamped(line: Float[Tensor, "B k"], span: Span) -> Float[Tensor, "B k"]:
    """The nearest index inside the window of whole cells."""
    first = span.start.unsqueeze(1)
    return torch.minimum(torch.maximum(line, first), first + span.side.unsqueeze(1) - 1)
