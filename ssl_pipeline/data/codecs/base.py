"""What leads from raw things, such as texts or waveforms, to samples on a grid, and back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from ssl_pipeline.data.preprocessing.base import Preprocessing
from ssl_pipeline.structures.grid import GridSpec


@runtime_checkable
class Codec(Protocol):
    """Made by a data set, saved in the run's folder, and built again by ``load``."""

    @property
    def grid(self) -> GridSpec:
        """Grid of the samples it makes."""
        ...

    def preprocessing(self) -> Preprocessing:
        """How raw things become samples, told so that it can be done without this package: every export carries it."""
        ...

    def encode(self, raw: Sequence[Any]) -> tuple[Tensor, Tensor | None]:
        """Samples ``(B, ...)`` of raw things, and ``(B, *grid)`` bool which cells are real; None: all."""
        ...

    def decode(self, x: Tensor, valid: Tensor | None = None) -> list[Any]:
        """Raw things of samples."""
        ...

    def write(self, path: Path, x: Tensor, valid: Tensor | None = None) -> Path:
        """Write one sample (without batch dimension) as a file to look at or listen to; ``path`` lacks its ending."""
        ...

    def plain(self) -> dict[str, Any]:
        """``type`` and options, in plain values, from which it can be built again."""
        ...
