"""What every model that a graph holds is."""

from __future__ import annotations

import torch

from ssl_pipeline.inference.path import GraphPath


class Part(GraphPath):
    """A model that a graph holds; its ``state_dict`` is what an export writes.

    Attributes:
        inputs: names of what ``forward`` takes, each (B, ...).
        outputs: names of what it gives; of a single one the tensor itself, of several a tuple.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.parameters()).device
