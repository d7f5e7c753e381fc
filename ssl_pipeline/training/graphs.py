"""The data sets of a run and the graphs that it trains on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ssl_pipeline.data import Data, Mixed, statistics
from ssl_pipeline.graph.builder import GraphFactory
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.graph.multi_dataset import MixedGraph
from ssl_pipeline.inference.weights import load_weights
from ssl_pipeline.structures.data_spec import DataSpec


def sets_of(data: Data | Mixed) -> dict[str, Data]:
    """The data sets of a run by name; a single one has none."""
    return dict(data.sets) if isinstance(data, Mixed) else {"": data}


def graphs_of(graph: Graph | MixedGraph) -> dict[str, Graph]:
    """The graph of each data set."""
    return dict(graph.graphs.items()) if isinstance(graph, MixedGraph) else {"": graph}  # pyright: ignore


def maker(
    config: Mapping[str, Any], data: Data | Mixed, encoder: nn.Module | None = None
) -> Callable[[], Graph | MixedGraph]:
    """Makes the graph of a run on its data, with the weights that its seed gives."""
    if isinstance(data, Mixed) and config.get("edge"):
        raise ValueError("edge= joins columns of one data set, and this run has several: take one of them")
    factory = GraphFactory(config, trust=tuple(config.get("trust", ())), encoder=encoder)
    specs = {name: data_spec(part) for name, part in sets_of(data).items()}

    def make() -> Graph | MixedGraph:
        torch.manual_seed(config["seed"])
        return factory.build_mixed(specs) if isinstance(data, Mixed) else factory.build(specs[""])

    return make


def data_spec(data: Data) -> DataSpec:
    """What a graph must know of a data set.

    Raises:
        ValueError: samples that are not finite.
    """
    layout = data.layout
    columns = {
        name: info._replace(statistics=cache(partial(_statistics, data, name))) for name, info in layout.columns.items()
    }
    return DataSpec(layout.grid, columns, *_statistics(data))


def start_from(graph: Graph | MixedGraph, folder: Path, partial: bool) -> None:
    """Take the weights of another run; what it had no teacher of is taught by these.

    Raises:
        ValueError: see ``load_weights``.
    """
    missing = load_weights(graph, folder, partial)
    copies = {name.split(".")[2] for name in missing if name.startswith("teacher.copies.")}
    if isinstance(graph, Graph) and copies:
        graph.start_teacher(copies)


def compile_encoders(graphs: Mapping[str, Graph]) -> None:
    """Have the encoders and their teachers compiled at their first call."""
    for graph in graphs.values():
        graph.encoder.compile()
        for column in graph.columns.values():
            if column.encoder is not None:
                column.encoder.compile()  # pyright: ignore
        if graph.teacher is not None:
            graph.teacher.copies["encoder"].compile()


def _statistics(data: Data, column: str | None = None) -> tuple[list[float] | None, list[float] | None]:
    grid = data.grid if column is None else data.columns[column].grid
    if grid.discrete:
        return None, None
    mean, std = statistics(data.train, grid, column)
    if not (torch.isfinite(mean).all() and torch.isfinite(std).all()):
        raise ValueError(f"{data.name} holds samples that are not finite: remove them, or fill what they lack")
    return mean.tolist(), std.tolist()
