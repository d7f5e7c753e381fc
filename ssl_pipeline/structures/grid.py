"""The one abstraction over modalities: a sample lives on a regular grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import isqrt
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor


class Axis(NamedTuple):
    """One grid axis: its name, its number of cells and the distance between two of them (in the axis' own unit)."""

    name: str
    size: int
    spacing: float = 1.0


@dataclass(frozen=True)
class GridSpec:
    """All that the engine knows about a modality.

    A continuous grid has ``channels`` and batches ``(B, C, *grid)`` of floats inside ``range``;
    a discrete grid has a ``vocab`` and batches ``(B, *grid)`` of int64 below it.

    Args:
        axes: name, size and spacing of each axis, in the order of the tensor's dimensions.
        channels: numbers in a cell of a continuous grid.
        vocab: number of symbols of a discrete grid, special ones included.
        range: smallest and largest value of a continuous grid.
        mask_token: symbol in masked places of a discrete grid.
        end_token: symbol that closes a text of a discrete grid.
        signal: whether values swing around zero, as those of a waveform do.
        log: whether values are natural logarithms of power (a spectrogram): what adds up is their exponential.
        storage: equal steps from the smallest to the largest value in which files hold a continuous grid, such as 255
            of uint8; None: files hold any value.

    Raises:
        ValueError: not exactly one of ``channels`` and ``vocab``; a repeated axis name; an empty axis; no step.

    >>> image = GridSpec.of(("y", 28), ("x", 28), channels=1)
    >>> image.shape, image.ndim, image.dim("x")
    ((28, 28), 2, 3)
    """

    axes: tuple[Axis, ...]
    channels: int | None = None
    vocab: int | None = None
    range: tuple[int | float, int | float] = (0.0, 1.0)
    mask_token: int | None = None
    end_token: int | None = None
    signal: bool = False
    log: bool = False
    storage: int | None = None

    def __post_init__(self) -> None:
        if (self.channels is None) == (self.vocab is None):
            raise ValueError(
                f"a grid is continuous (channels) or discrete (vocab): expected exactly one, "
                f"got channels={self.channels}, vocab={self.vocab}"
            )
        if not self.axes or len(set(self.names)) < len(self.axes):
            raise ValueError(f"a grid needs axes with distinct names, got {self.names}")
        if small := [axis.name for axis in self.axes if axis.size < 1]:
            raise ValueError(f"every axis of a grid needs at least one cell, got none along {small}")
        if self.storage is not None and (self.discrete or self.storage < 1):
            raise ValueError(f"storage counts the steps of a continuous grid: expected at least 1, got {self.storage}")

    @classmethod
    def of(cls, *axes: tuple, **kwargs) -> GridSpec:
        """A grid from plain tuples ``(name, size[, spacing])``."""
        return cls(axes=tuple(Axis(*axis) for axis in axes), **kwargs)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(axis.name for axis in self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(axis.size for axis in self.axes)

    @property
    def width(self) -> int:
        """Numbers in a cell: the channels, or 1 symbol."""
        return self.channels or 1

    @property
    def ndim(self) -> int:
        return len(self.axes)

    @property
    def discrete(self) -> bool:
        return self.vocab is not None

    def dim(self, name: str) -> int:
        """Dimension of the axis ``name`` in a batch.

        Raises:
            ValueError: the grid has no such axis.
        """
        if name not in self.names:
            raise ValueError(f"the grid has no axis {name!r}: its axes are {', '.join(self.names)}")
        return self.names.index(name) + (1 if self.discrete else 2)

    def resized(self, shape: tuple[int, ...]) -> GridSpec:
        """The same extent cut into ``shape`` cells."""
        axes = (Axis(a.name, n, a.spacing * a.size / n) for a, n in zip(self.axes, shape, strict=True))
        return replace(self, axes=tuple(axes))

    def extended(self, shape: tuple[int, ...]) -> GridSpec:
        """``shape`` cells of the same size: more of the world, or less."""
        return replace(self, axes=tuple(Axis(a.name, n, a.spacing) for a, n in zip(self.axes, shape, strict=True)))

    def to_plain(self) -> dict[str, Any]:
        """As plain lists and numbers."""
        return asdict(self) | {"axes": [list(axis) for axis in self.axes], "range": list(self.range)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> GridSpec:
        """Inverse of ``to_plain``.

        Raises:
            KeyError, TypeError, ValueError: other values.
        """
        axes = tuple(Axis(*axis) for axis in plain["axes"])
        return cls(**dict(plain) | {"axes": axes, "range": tuple(plain["range"])})

    def zeros(self, batch: int) -> Shaped[Tensor, "B ..."]:
        """Samples that hold nothing but zeros."""
        if self.discrete:
            return torch.zeros(batch, *self.shape, dtype=torch.long)
        return torch.zeros(batch, self.width, *self.shape)

    def coordinates(
        self, device: torch.device | str | None = None, shape: tuple[int, ...] | None = None
    ) -> Float[Tensor, "1 *grid n"]:
        """Centres of the cells, in units of each axis; with ``shape`` those of a sample of so many cells."""
        sizes = self.shape if shape is None else shape
        lines = [(torch.arange(n, device=device) + 0.5) * a.spacing for a, n in zip(self.axes, sizes, strict=True)]
        return torch.stack(torch.meshgrid(*lines, indexing="ij"), dim=-1).unsqueeze(0)


def default_patch(grid: GridSpec) -> tuple[int, ...]:
    """Side of a patch where none is given: along each axis the largest divisor up to the root of its size.

    A discrete grid is taken cell by cell.

    >>> default_patch(GridSpec.of(("y", 28), ("x", 64), channels=1))
    (4, 8)
    """
    if grid.discrete:
        return (1,) * grid.ndim
    return tuple(max(s for s in range(1, isqrt(n) + 1) if n % s == 0) for n in grid.shape)
