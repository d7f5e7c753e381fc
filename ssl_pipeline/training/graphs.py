"""The graphs that a run trains on its data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path

import torch

from ssl_pipeline.data import Data, statistics
from ssl_pipeline.graph.builder import GraphFactory
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.graph.graph_set import GraphSet
from ssl_pipeline.inference.weights import load_weights
from ssl_pipeline.models.encoders import Encoder
from ssl_pipeline.structures.data_spec import DataSpec


def graph_maker(factory: GraphFactory, sets: Mapping[str, Data], seed: int) -> Callable[[], GraphSet]:
    """Makes the graphs of a run on its data, each time with the weights that the seed gives."""
    specs = {name: data_spec(data) for name, data in sets.items()}

    def make() -> GraphSet:
        torch.manual_seed(seed)
        return factory.build_set(specs)

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


def start_from(graphs: GraphSet, folder: Path, partial: bool) -> None:
    """Take the weights of another run; what it had no teacher of is taught by these.

    Raises:
        ValueError: see ``load_weights``.
    """
    missing = load_weights(graphs.module, folder, partial)
    copies = {name.split(".")[2] for name in missing if name.startswith("teacher.copies.")}
    if copies:  # there is no teacher in several graphs
        graphs.only.start_teacher(copies)


def compile_encoders(graphs: Mapping[str, Graph]) -> None:
    """Have the encoders and their teachers compiled at their first call."""
    for encoder in trained_encoders(graphs):
        encoder.compile()
    for graph in graphs.values():
        if graph.teacher is not None:
            graph.teacher.copies["encoder"].compile()


def trained_encoders(graphs: Mapping[str, Graph]) -> list[Encoder]:
    """The encoders of samples and of columns, without the teachers' copies."""
    of_columns = (column.encoder for graph in graphs.values() for column in graph.columns.values())
    return [*(graph.encoder for graph in graphs.values()), *(one for one in of_columns if isinstance(one, Encoder))]


def _statistics(data: Data, column: str | None = None) -> tuple[list[float] | None, list[float] | None]:
    grid = data.grid if column is None else data.columns[column].grid
    if grid.discrete:
        return None, None
    mean, std = statistics(data.train, grid, column)
    if not (torch.isfinite(mean).all() and torch.isfinite(std).all()):
        raise ValueError(f"{data.name} holds samples that are not finite: remove them, or fill what they lack")
    return mean.tolist(), std.tolist()
