"""Which dimensions of what a part takes are free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ssl_pipeline.inference.model import Model
from ssl_pipeline.structures.grid import GridSpec


class FreeLength(NamedTuple):
    """An axis along which samples may have other sizes, and what these are multiples of."""

    axis: str
    unit: int


def free_dimensions(model: Model, inputs: Mapping[str, Tensor], length: FreeLength | None) -> dict[str, dict[int, Any]]:
    """The dimensions of each input that are not fixed."""
    batch, grid = torch.export.Dim("batch"), model.grid
    free: dict[str, dict[int, Any]] = {name: {0: batch} for name in inputs}
    if length is not None:
        size = torch.export.Dim("length", min=2)
        for name in inputs:
            dim = grid.dim(length.axis) - (name in ("mask", "valid") and not grid.discrete)
            free[name][dim] = size if length.unit == 1 else length.unit * size
    return free


def free_sizes(inputs: Mapping[str, Tensor]) -> dict[str, dict[int, Any]]:
    """Batch, height and width of pixels (B, H, W, C)."""
    sizes = {1: torch.export.Dim("height", min=2), 2: torch.export.Dim("width", min=2)}
    return {name: {0: torch.export.Dim("batch"), **sizes} for name in inputs}


def longer_grid(model: Model, axis: str) -> tuple[GridSpec, FreeLength]:
    """A grid that is longer along an axis, and how far its length is free.

    Raises:
        ValueError: an encoder that takes no other length.
    """
    grid, encoder = model.grid, model.graph.encoder
    if not encoder.any_length:
        raise ValueError(
            f"length={axis}: {type(encoder).__name__} is exported for samples of one size only: leave out length, or "
            f"train with encoder=vit"
        )
    index = grid.names.index(axis)

    def resized(size: int) -> GridSpec:
        axes = list(grid.axes)
        axes[index] = axes[index]._replace(size=size)
        return replace(grid, axes=tuple(axes))

    size = grid.shape[index]
    for unit in range(1, size + 1):
        try:
            encoder.shape_of(resized(size + unit).shape)
            encoder.shape_of(resized(2 * unit).shape)
        except ValueError:
            continue
        return resized(size + 2 * unit), FreeLength(axis, unit)
    raise ValueError(f"{type(encoder).__name__} takes no samples of another length along {axis}: leave out length")
