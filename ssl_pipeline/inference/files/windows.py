"""Samples that are larger than a model's grid, cut into overlapping windows and put together again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import torch
from torch import Tensor


def starts_of_windows(size: int, window: int, overlap: int) -> list[int]:
    """Where windows begin: evenly spread, the first at the start, the last up to the end.

    >>> starts_of_windows(10, 4, overlap=2), starts_of_windows(4, 4, overlap=2)
    ([0, 2, 4, 6], [0])
    """
    if size <= window:
        return [0]
    count = -(-(size - window) // max(1, window - overlap)) + 1
    return [round(i * (size - window) / (count - 1)) for i in range(count)]


def places_of_windows(shape: Sequence[int], window: Sequence[int], overlap: Sequence[int]) -> list[tuple[slice, ...]]:
    """Windows of a sample by their slices; ``overlap`` is what neighbours share at least, in cells."""
    starts = map(starts_of_windows, shape, window, overlap)
    return [*product(*([slice(s, s + n) for s in some] for some, n in zip(starts, window, strict=True)))]


def restore_by_windows(
    x: Tensor,
    window: Sequence[int],
    model: Callable[[Tensor, list[tuple[slice, ...]]], Tensor],
    overlap: Sequence[int],
    batch: int = 64,
) -> Tensor:
    """A sample (C, *shape) window by window; where windows overlap, one fades into the other.

    Args:
        x: at least as large as a window along each axis.
        window: its size along each axis.
        model: from windows (B, C, *window), with their places in the sample, to others of the same size.
        overlap: cells that neighbours share at least, along each axis.
        batch: windows in a call.
    """
    fade = torch.ones(())
    for size in window:
        # Squared: at its border a window knows one side of a place only.
        ramp = torch.minimum(torch.arange(1, size + 1), torch.arange(size, 0, -1)).float().square()
        fade = fade.unsqueeze(-1) * ramp
    total, weight = torch.zeros_like(x, dtype=torch.float32), torch.zeros(x.shape[1:])
    places = places_of_windows(x.shape[1:], window, overlap)
    for start in range(0, len(places), batch):
        some = places[start : start + batch]
        found = model(torch.stack([x[(slice(None), *place)] for place in some]), some).cpu()
        for place, one in zip(some, found, strict=True):
            total[(slice(None), *place)] += one * fade
            weight[place] += fade
    return total / weight
