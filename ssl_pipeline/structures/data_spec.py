"""All that a graph must know of its data: what is saved with a run, so that the graph can be built again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ssl_pipeline.structures.grid import GridSpec

Statistics = tuple[Sequence[float] | None, Sequence[float] | None]
"""Mean and standard deviation of each channel, in the data's units; None of symbols, and where weights hold them."""


def unknown() -> Statistics:
    """No statistics."""
    return None, None


class ColumnInfo(NamedTuple):
    """What belongs to each sample besides itself, such as a text, an action or what came next."""

    grid: GridSpec
    steps: int | None = None  # how many of them a sample has, one after another; None: one
    statistics: Callable[[], Statistics] = unknown  # asked for where losses reach the column


@dataclass(frozen=True)
class DataSpec:
    """What samples live on, and how their values lie.

    Args:
        grid: of the clean samples.
        columns: what else belongs to each sample, by name.
        mean: per channel, in the data's units; None of symbols, and where weights hold it.
        std: likewise.
    """

    grid: GridSpec
    columns: Mapping[str, ColumnInfo] = field(default_factory=dict)
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None

    def to_plain(self) -> dict[str, Any]:
        """Plain values; statistics are left to the weights."""
        columns = {name: {"grid": info.grid.to_plain(), "steps": info.steps} for name, info in self.columns.items()}
        return {"grid": self.grid.to_plain(), "columns": columns}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> DataSpec:
        """Inverse of ``to_plain``.

        Raises:
            KeyError, TypeError, ValueError: other values.
        """
        columns = {
            name: ColumnInfo(GridSpec.from_plain(info["grid"]), info["steps"])
            for name, info in plain.get("columns", {}).items()
        }
        return cls(GridSpec.from_plain(plain["grid"]), columns)
