"""What tensors that come without a description are: their kind, their grid, and how they lie on it."""

from __future__ import annotations

import warnings
from dataclasses import replace

import torch
from torch import Tensor

from ssl_pipeline.data.codecs.image import Pixels
from ssl_pipeline.data.codecs.table import FEATURE
from ssl_pipeline.data.io.eight_bits import MODES
from ssl_pipeline.data.loaders import grid_of_samples
from ssl_pipeline.structures.grid import GridSpec

SHAPES = "images (B, C, H, W), sound (B, C, T), volumes or video (B, C, D, H, W), symbols (B, T) or features (B, F)"
_COLOURS = (1, 3, 4)
_WANTED = {4: "images (B, C, H, W)", 5: "video (B, C, T, H, W)"}
_MOVED = {
    4: {"B, H, W, C": (0, 3, 1, 2)},
    5: {"B, T, H, W, C": (0, 4, 1, 2, 3), "B, T, C, H, W": (0, 2, 1, 3, 4)},
}
"""Other orders of axes that are common, each with how it becomes ours."""


def sample_kind(x: Tensor) -> str:
    """Kind of some samples, a key of ``config.suitable.SUITABLE``.

    Raises:
        ValueError: a shape or type that no kind has.

    >>> sample_kind(torch.zeros(5, 12, dtype=torch.int64)), sample_kind(torch.zeros(5, 12))
    ('symbols', 'features')
    """
    found = f"got {tuple(x.shape)} of {x.dtype}"
    if not 2 <= x.ndim <= 5:
        raise ValueError(f"expected {SHAPES}, {found}: reshape the samples")
    if x.ndim == 2 and x.dtype == torch.uint8:
        raise ValueError(f"bytes (B, ...) of one axis may be symbols or numbers, {found}: take int64 or floats")
    if x.ndim > 2 and not (x.is_floating_point() or x.dtype == torch.uint8):
        raise ValueError(f"expected numbers as uint8 (0 to 255) or floats, {found}: convert the samples")
    if x.is_complex() or x.dtype == torch.bool:
        raise ValueError(f"expected uint8, floats or int64 symbols, {found}: convert the samples")
    if x.ndim == 3 and x.dtype == torch.uint8:
        raise ValueError(f"expected images (B, C, H, W), {found}: of grey ones (B, H, W) pass x[:, None]")
    for layout, order in _MOVED.get(x.ndim, {}).items():
        if x.shape[layout.split(", ").index("C")] in _COLOURS and x.shape[1] not in _COLOURS:
            raise ValueError(
                f"expected {_WANTED[x.ndim]}, {found}, which looks like ({layout}): move the channels, as in "
                f"torch.as_tensor(x).permute{order}"
            )
    if x.ndim > 2:
        return "numbers"
    return "features" if x.is_floating_point() else "symbols"


def on_grid(x: Tensor) -> Tensor:
    """Samples as ``Batch.x`` has them: symbols in 64 bits, floats in 32; features, which are to be scaled, as they are,
    on an axis of their own."""
    if x.is_floating_point():
        return x.unsqueeze(1) if x.ndim == 2 else x.float()
    return x if x.dtype == torch.uint8 else x.long()


def grid_for(x: Tensor, vocab: int | None) -> GridSpec:
    """Grid of samples, of which some or all are seen here.

    Args:
        x: as they came.
        vocab: number of symbols, the mask token not counted; needed of symbols.

    Raises:
        ValueError: see ``sample_kind``; no cell, or a single one; values that are not finite; unknown symbols.
    """
    kind = sample_kind(x)
    if not x.numel():
        raise ValueError(f"expected samples, got none: {tuple(x.shape)}")
    if x[0].numel() == (1 if x.ndim == 2 else x.shape[1]):
        raise ValueError(
            f"expected samples of several cells, got one: {tuple(x.shape)}, of which no part can be hidden"
        )
    if kind == "symbols":
        if vocab is None:
            raise ValueError("nobody knows how many symbols there are: say it, options={'data.vocab': N}")
        low, high = int(x.min()), int(x.max())
        if low < 0 or high >= vocab:
            raise ValueError(f"expected symbols from 0 to {vocab - 1}, got {low} to {high}: number them anew")
        return GridSpec.of(("position", x.shape[1]), vocab=vocab + 1, mask_token=vocab)
    grid = grid_of_samples(on_grid(x))
    if kind == "numbers":
        if x.ndim == 4 and grid.range[0] >= 0 and 100 < grid.range[1] <= 255:
            warnings.warn(
                f"floats from {grid.range[0]:g} to {grid.range[1]:g} are taken as they are, and options such as "
                f"noise.sigma count in their units: if they are pixels, pass uint8, or divide by 255",
                stacklevel=2,
            )
        return grid
    return replace(grid, axes=(grid.axes[0]._replace(name=FEATURE),), signal=False)


def codec_for(grid: GridSpec) -> Pixels | None:
    """What reads and writes such samples, where they are what files of images hold."""
    square = grid.names == ("y", "x") and len({*grid.shape}) == 1 and grid.range == (0.0, 1.0)
    return Pixels(grid.shape[0], grid.width) if square and grid.width in MODES else None
