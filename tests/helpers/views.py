"""Views and what is compared of them."""

from __future__ import annotations

import pytest
import torch
from helpers.cases import ALL_GRIDS, CORRUPTIONS, GRIDS, sample

from ssl_pipeline.corruptions import Mask
from ssl_pipeline.structures.batch import View
from ssl_pipeline.structures.grid import GridSpec

STILL = {"flip": 0.0, "jitter": 0.0, "grayscale": 0.0}
EVERY = [
    pytest.param(case, ALL_GRIDS[grid], id=f"{case.name}{i}-{grid}")
    for i, case in enumerate(CORRUPTIONS)
    for grid in case.grids
]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def masked(grid: GridSpec, **options) -> View:
    """A random sample, of which half is hidden."""
    return Mask(**{"ratio": 0.5, **options}).bind(grid)(sample(grid), seeded())


def tensors(view: View) -> dict[str, torch.Tensor]:
    named = {**view._asdict(), **view.params}
    return {name: value for name, value in named.items() if isinstance(value, torch.Tensor)}


def assert_same(one: View, other: View, **tolerance) -> None:
    assert tensors(one).keys() == tensors(other).keys()
    assert (one.cell, one.visible) == (other.cell, other.visible)
    for name, value in tensors(one).items():
        torch.testing.assert_close(value, tensors(other)[name], msg=lambda m, name=name: f"{name}: {m}", **tolerance)


def coordinates_as_x(view: View) -> View:
    """The view with the origin of its cells as their content."""
    return view._replace(x=view.source_coords.movedim(-1, 1).expand(view.x.shape).contiguous())


def coordinate_grid(name: str) -> GridSpec:
    grid = GRIDS[name]
    return GridSpec(axes=grid.axes, channels=grid.ndim, range=(0.0, 100.0))
