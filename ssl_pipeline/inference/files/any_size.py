"""Samples of any size through a model of one size."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import ceil, prod

import torch
from torch import Tensor
from torch.nn.functional import pad

from ssl_pipeline.inference.files.windows import places_of_windows, restore_by_windows
from ssl_pipeline.inference.load import extended
from ssl_pipeline.inference.model import Model

_LARGER = 16
"""Cells of a window at most, over those of a model's own grid."""
_TOGETHER = 64
"""Cells of the windows of a call, over the same."""


class AnySizeRestorer:
    """Restores samples of any size, window by window.

    A model whose weights fit any size takes larger windows than its own, which are fewer and have less of a border.

    Args:
        model: has a decoder to the clean form.
        view: the corruption.
    """

    def __init__(self, model: Model, view: str) -> None:
        self.model, self.view, part = model, view, model.part(f"restorer:{view}")
        any_size = all(one.any_size for one in (part.encoder, *part.decoders.values()))
        self._larger = int(_LARGER ** (1 / model.grid.ndim)) if any_size else 1
        self._extended = lru_cache(maxsize=4)(lambda shape: extended(model, shape))

    def restore(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """A sample (C, *shape), and where it is hidden (*shape), of a masked view; floats in the grid's units."""
        own, shape = self.model.grid.shape, x.shape[1:]
        model = self._extended(tuple(map(self._window, shape, own)))
        window = model.grid.shape
        x, mask = padded(x, window), None if mask is None else padded(mask[None], window)[0]

        def windows(some: Tensor, places: list[tuple[slice, ...]]) -> Tensor:
            return model.restore(some, self.view, None if mask is None else torch.stack([mask[at] for at in places]))

        batch = max(1, _TOGETHER * prod(own) // prod(window))
        made = restore_by_windows(x, window, windows, [n // 2 for n in own], batch)
        return made[(slice(None), *(slice(n) for n in shape))]

    def _window(self, cells: int, own: int) -> int:
        return own * min(self._larger, ceil(cells / own))


def some_windows(x: Tensor, window: Sequence[int], count: int) -> Tensor:
    """At most so many windows (N, C, *window) of a sample (C, *shape), spread over it."""
    x = padded(x, window)
    places = places_of_windows(x.shape[1:], window, [0] * len(window))
    return torch.stack([x[(slice(None), *place)] for place in places[:: -(-len(places) // count)]])


def padded(x: Tensor, window: Sequence[int]) -> Tensor:
    """A sample (C, *shape) that is smaller than a window goes on as it ends."""
    more = [max(0, size - n) for size, n in zip(window, x.shape[1:], strict=True)]
    if not any(more):
        return x
    sides = [by for axis in reversed(more) for by in (0, axis)]
    return pad(x[None].float(), sides, mode="replicate")[0].to(x.dtype)
