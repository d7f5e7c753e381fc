"""Graphs of a configuration on data, with the weights that training gives them."""

from collections.abc import Mapping
from typing import Any

from ssl_pipeline.data import Data, DataSets
from ssl_pipeline.graph.builder import GraphFactory
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.graph.graph_set import GraphSet
from ssl_pipeline.training.graphs import graph_maker


def graphs_on(config: Mapping[str, Any], data: Data | DataSets) -> GraphSet:
    """The graphs of a run."""
    return graph_maker(GraphFactory(config), DataSets.of(data), config["seed"])()


def graph_on(config: Mapping[str, Any], data: Data) -> Graph:
    """The graph of a run on one data set."""
    return graphs_on(config, data).only
