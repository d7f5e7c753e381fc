"""Smooth colours, and a small restorer of them."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from ssl_pipeline import DataSpec, Graph, Noise, Reconstruction
from ssl_pipeline.models.decoders import UNetDecoder
from ssl_pipeline.models.encoders import UNetEncoder
from ssl_pipeline.structures.grid import GridSpec

GRID = GridSpec.of(("y", 16), ("x", 16), channels=3, storage=255)


def blobs(count, side=16):
    """Images (count, 3, side, side) of 8 bits."""
    draw = torch.Generator().manual_seed(0)
    x = F.interpolate(torch.rand(count, 3, 4, 4, generator=draw), size=(side, side), mode="bilinear")
    return (255 * x).round().byte()


def restorer(grid=GRID, **noise):
    """A graph that has learned nothing: it gives back what it gets, all but nearly."""
    torch.manual_seed(0)
    graph = Graph(
        {"noise": Noise(**noise)},
        encoder=UNetEncoder(widths=[8, 16]),
        decoder=UNetDecoder(),
        objective=Reconstruction(where="everywhere"),
    )
    return graph.bind(DataSpec(grid)).eval()
