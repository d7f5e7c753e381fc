"""Grids of every kind of data, by name, and random samples on them."""

from __future__ import annotations

import torch

from ssl_pipeline.structures.batch import View, clean_view
from ssl_pipeline.structures.grid import GridSpec

GRIDS = {
    "wave": GridSpec.of(("time", 32, 0.5), channels=1, range=(-1.0, 1.0), signal=True),
    "image": GridSpec.of(("y", 8), ("x", 12), channels=3),
    "grey": GridSpec.of(("y", 12), ("x", 8), channels=1),
    "video": GridSpec.of(("time", 4, 0.04), ("y", 8), ("x", 12), channels=2),
    "text": GridSpec.of(("position", 16), vocab=50, mask_token=1),
    "codes": GridSpec.of(("y", 4), ("x", 8), vocab=30, mask_token=29),
    "logmel": GridSpec.of(("mel", 8), ("time", 12, 0.01), channels=1, range=(-14.0, 6.0), log=True),
    "bytes": GridSpec.of(("position", 24), vocab=258, mask_token=257, end_token=256),
}

ALL_GRIDS = GRIDS | {"mains": GridSpec.of(("time", 64, 1 / 250), channels=2, range=(-1.0, 1.0), signal=True)}
"""Those that a single corruption asks for, too."""

CONTINUOUS = ("wave", "image", "grey", "video", "logmel")
TEXTS = ("text", "bytes")
PICTURES = ("image", "grey", "video")
SOUNDS = ("wave", "mains", "logmel")


def sample(grid: GridSpec, batch: int = 6, seed: int = 0) -> View:
    """A clean view of random content."""
    generator = torch.Generator().manual_seed(seed)
    if grid.vocab is not None:
        tokens = torch.randint(2, grid.vocab - 1, (batch, *grid.shape), generator=generator)
        return clean_view(grid, tokens)
    low, high = grid.range
    return clean_view(grid, low + (high - low) * torch.rand((batch, grid.channels, *grid.shape), generator=generator))
