"""The untrained twin of a graph, with which every table compares it."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ssl_pipeline.data import Data, sequential_batches
from ssl_pipeline.graph.graph import Graph

WARM_UP = (256, 20 * 256)
"""Samples in a batch, and in all, that running statistics are taken from."""


@torch.no_grad()
def untrained(make: Callable[[], Graph], data: Data, device: torch.device | str) -> Graph:
    """The twin that was never trained; running statistics it has, taken from a few batches."""
    graph = make().to(device).train()
    for step, batch in enumerate(sequential_batches(data.train, *WARM_UP)):
        if len(batch.x) >= 2:
            graph.encode(graph.normalized(graph.corrupt(batch.on(device), step=step, whole=True).views))
    return graph
