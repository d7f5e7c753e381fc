"""What every model that a graph holds is."""

from __future__ import annotations

import torch
from torch import nn

from ssl_pipeline.graph.graph import Graph


class Part(nn.Module):
    """A model that a graph holds.

    Args:
        graph: trained; its modules are shared, not copied.

    Attributes:
        inputs: names of what ``forward`` takes, each (B, ...).
        outputs: names of what it gives; of a single one the tensor itself, of several a tuple.
        trained: the graph.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.trained = graph

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.parameters()).device
