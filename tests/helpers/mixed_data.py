"""Data sets of several kinds, and words for a small run on them."""

from __future__ import annotations

import torch

from ssl_pipeline.data import Data, MemoryDataset
from ssl_pipeline.structures.grid import GridSpec

SMALL = ["encoder.width=32", "encoder.depth=1", "encoder.heads=2", "decoder.width=32", "decoder.heads=2"]
SMALL += [
    "experiment=mixed",
    "batch_size=16",
    "probe.online=0",
    "probe.protocol.few_shot=0",
    "probe=clean",
]


def images(n: int) -> Data:
    x = torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1).expand(n, 1, 8, 8)
    return Data(GridSpec.of(("y", 8), ("x", 8), channels=1), MemoryDataset(x), None, None, "images")


def words(n: int) -> Data:
    x = torch.arange(n).view(n, 1).expand(n, 12) % 250
    return Data(
        GridSpec.of(("position", 12), vocab=258, mask_token=257, end_token=256), MemoryDataset(x), None, None, "words"
    )
