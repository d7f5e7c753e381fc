"""A data set of several samples a source."""

from __future__ import annotations

import torch

from ssl_pipeline.data import Data, MemoryDataset, holdout
from ssl_pipeline.structures.grid import GridSpec

SMALL = [
    "encoder.widths=[8,16]",
    "decoder.widths=[8,8]",
    "batch_size=32",
    "probe.online=0",
    "probe.protocol.few_shot=0",
    "probe=clean",
]


def blobs(per_source: int = 6, sources: int = 40) -> Data:
    """Images that are their source's own pattern under noise; the label is a property of the source."""
    generator = torch.Generator().manual_seed(0)
    source = torch.arange(sources).repeat_interleave(per_source)
    x = torch.rand(sources, 1, 8, 8, generator=generator)[source] + 0.3 * torch.randn(
        len(source), 1, 8, 8, generator=generator
    )
    dataset = MemoryDataset(x, labels=source % 2, source=source)
    train, test = holdout(dataset, 0.25)
    return Data(GridSpec.of(("y", 8), ("x", 8), channels=1), train, test, ("even", "odd"), "blobs")
