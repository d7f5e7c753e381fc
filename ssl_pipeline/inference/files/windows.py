"""Samples that are larger than a model's grid, cut into overlapping windows and put together again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product

import torch
from torch import Tensor


def starts_of_windows(size: int, window: int, overlap: float = 0.5) -> list[int]:
    """Where windows begin: evenly spread, the first at the start, the last up to the end, overlapping by a share.

    >>> starts_of_windows(10, 4), starts_of_windows(4, 4)
    ([0, 2, 4, 6], [0])
    """
    if size <= window:
        return [0]
    step = max(1, round(window * (1 - overlap)))
    count = -(-(size - window) // step) + 1
    return [round(i * (size - window) / (count - 1)) for i in range(count)]


def restore_by_windows(
    x: Tensor, window: Sequence[int], model: Callable[[Tensor, list[tuple[slice, ...]]], Tensor], batch: int = 64
) -> Tensor:
    """A sample (C, *shape) window by window; where windows overlap, one fades into the other.

    Args:
        x: at least as large as a window along each axis.
        window: its size along each axis.
        model: from windows (B, C, *window), with their places in the sample, to others of the same size.
        batch: windows in a call.
    """
    fade = torch.ones(())
    for size in window:
        # Squared: at its border a window knows one side of a place only.
        ramp = torch.minimum(torch.arange(1, size + 1), torch.arange(size, 0, -1)).float().square()
        fade = fade.unsqueeze(-1) * ramp
    total, weight = torch.zeros_like(x, dtype=torch.float32), torch.zeros(x.shape[1:])
    for places in _batches(x.shape[1:], window, batch):
        found = model(torch.stack([x[(slice(None), *place)] for place in places]), places).cpu()
        for place, one in zip(places, found, strict=True):
            total[(slice(None), *place)] += one * fade
            weight[place] += fade
    return total / weight


def _batches(shape: Sequence[int], window: Sequence[int], batch: int) -> Iterator[list[tuple[slice, ...]]]:
    axes = [[slice(s, s + w) for s in starts_of_windows(n, w)] for n, w in zip(shape, window, strict=True)]
    places = list(product(*axes))
    for start in range(0, len(places), batch):
        yield places[start : start + batch]
