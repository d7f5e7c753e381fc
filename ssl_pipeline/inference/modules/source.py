"""What a user knows of corrupted samples, made into the graph's view of them."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from ssl_pipeline.corruptions import Corruption
from ssl_pipeline.data import Codec
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.inference.learned import grid_of
from ssl_pipeline.inference.validate_inputs import (
    check_lies_on,
    hidden,
    outside_range,
    plausible,
    samples,
    tensor,
    truths,
)
from ssl_pipeline.structures.batch import View, as_float, clean_view
from ssl_pipeline.structures.random import generator
from ssl_pipeline.utils.errors import nearest

UNKNOWN = "unknown"


class Source:
    """Samples of a corruption as the graph's view of them: what a user knows of it made into a record.

    Args:
        graph: trained.
        name: the view, or ``unknown`` for samples that have suffered none or another; or a column of the data.

    Raises:
        ValueError: no such view.
    """

    def __init__(self, graph: Graph, name: str) -> None:
        if name != UNKNOWN and name not in graph.columns:
            known(graph, name)
        self.corruption: Corruption | None = graph.corruptions.get(name)
        self.name = name
        self.grid = grid_of(graph, name)
        self.masked = self.corruption is not None and self.corruption.masks
        self.padded = self.grid.discrete or self.grid.signal or self.grid.log  # texts and sounds may be too short
        self.inputs = ("x", *(("mask",) if self.masked else ()), *(("valid",) if self.padded else ()))

    @property
    def moves(self) -> bool:
        """Whether cells lie elsewhere in the corrupted sample than in the clean one."""
        if self.corruption is None:
            return False
        grid = self.corruption.grid
        view = self.corruption(clean_view(grid, grid.zeros(1)), generator("cpu", 0))
        return view.source_coords is not view.coords

    @cached_property
    def far(self) -> tuple[float, float]:
        """How far this corruption takes values outside the range, on average and at most, with some room: as much is
        let through. Tried on black, white and random samples."""
        if self.corruption is None or self.grid.discrete:
            return 0.0, 0.0
        grid, seed = self.corruption.grid, generator("cpu", 0)
        low, high = grid.range
        share = torch.rand((24, grid.width, *grid.shape), generator=seed)
        share[:8], share[8:16] = 0, 1
        view = self.corruption(clean_view(grid, low + (high - low) * share), seed)
        mean, most = outside_range(view.x, self.grid)
        return 1.1 * float(mean.max()), 1.5 * float(most.max())

    def taken(
        self, x: object, mask: object = None, valid: object = None, device: torch.device | None = None
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """What a user gives, as tensors on the grid, and on a device.

        Raises:
            ValueError: it does not lie on it.
        """
        x = tensor(x).to(device)
        check_lies_on(x, self.grid)
        mask = None if mask is None else truths("mask", mask, x, self.grid).to(device)
        return x, mask, None if valid is None else truths("valid", valid, x, self.grid).to(device)

    def known(self, x: object, codec: Codec | None, mask: object = None, valid: object = None) -> dict[str, Tensor]:
        """What a user knows of raw samples, as a part takes it.

        Raises:
            ValueError: what ``samples``, ``taken`` and ``plausible`` refuse.
        """
        some, found = samples(x, codec, self.grid)
        some, mask, valid = self.taken(some, mask, valid if found is None else found)
        plausible(some, self.grid, self.places(some, mask), self.far, codec)
        known = {"x": some, "mask": mask, "valid": valid}
        return {name: value for name, value in known.items() if value is not None}

    def __call__(self, x: Tensor, mask: Tensor | None = None, valid: Tensor | None = None) -> View:
        """The view, in the data's units.

        Raises:
            ValueError: a masked view without its mask, or a mask of a view that is not masked.
        """
        if valid is None and self.padded:  # so that as much passes a cut whether or not it is said
            valid = torch.ones_like(x if self.grid.discrete else x[:, 0], dtype=torch.bool)
        places, x = self.places(x, mask), as_float(x, self.grid)
        if places is None or self.corruption is None:
            return clean_view(self.grid, x, valid)
        x = hidden(x, places, self.grid)  # values under a mask, NaN included, do not reach a mean of what is around
        return self.corruption.with_mask(clean_view(self.grid, x, valid), places)

    def places(self, x: Tensor, mask: Tensor | None) -> Tensor | None:
        """The mask, (B, *grid): as it is given, or, of symbols, where the mask token stands."""
        if not self.masked:
            if mask is not None:
                raise ValueError(f"view {self.name} is not masked: leave out mask, or take a view that is")
            return None
        if mask is not None:
            return mask
        if self.grid.mask_token is None:
            raise ValueError(f"view {self.name} is masked: pass mask, (B, *grid) bool, True where a place is hidden")
        return x == self.grid.mask_token

    def zeros(self, batch: int, device: torch.device) -> dict[str, Tensor]:
        """Empty samples, without mask or padding, as ``inputs`` names what is known of them."""
        shape = (batch, *self.grid.shape)
        x = self.grid.zeros(batch)
        known = {"x": x, "mask": torch.zeros(shape, dtype=torch.bool), "valid": torch.ones(shape, dtype=torch.bool)}
        return {name: known[name].to(device) for name in self.inputs}


def known(graph: Graph, view: str) -> None:
    """Refuse a view that there is not.

    Raises:
        ValueError: there is none.
    """
    if view not in graph.corruptions:
        raise ValueError(f"there is no view {view!r}; {nearest(view, graph.corruptions)}")
