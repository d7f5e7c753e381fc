"""Graphs of a configuration on a grid."""

from collections.abc import Mapping
from typing import Any

from ssl_pipeline.graph.builder import GraphFactory
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.structures.data_spec import ColumnInfo, DataSpec
from ssl_pipeline.structures.grid import GridSpec


def build(
    config: Mapping[str, Any],
    grid: GridSpec,
    mean: list[float] | None = None,
    std: list[float] | None = None,
    columns: Mapping[str, ColumnInfo] | None = None,
    **factory: Any,
) -> Graph:
    """The graph of a configuration on a grid."""
    return GraphFactory(config, **factory).build(DataSpec(grid, columns or {}, mean, std))
