"""What every model that a graph holds is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral

import torch
from torch import Tensor

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

    @torch.no_grad()
    def in_batches(
        self, rows: Mapping[str, Tensor], batch_size: int, what: Callable[..., Tensor] | None = None
    ) -> Tensor:
        """What it gives of inputs (B, ...), so many at a time on its own device.

        Args:
            rows: the inputs.
            batch_size: rows in a pass.
            what: is called in its place with the same inputs; None: itself.

        Raises:
            ValueError: a ``batch_size`` that is none.
        """
        if not isinstance(batch_size, Integral) or batch_size < 1:
            raise ValueError(f"batch_size={batch_size!r}: expected a whole number of at least 1")
        count, device, parts = len(next(iter(rows.values()))), self.device, []
        for start in range(0, max(1, count), batch_size):
            some = slice(start, start + batch_size)
            parts.append((what or self)(**{name: row[some].to(device) for name, row in rows.items()}))
        return torch.cat(parts)
