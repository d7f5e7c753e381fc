"""Nodes and edges as they are printed."""

from collections.abc import Mapping, Sequence

from ssl_pipeline.structures.nodes import CLEAN, CONSENSUS, Edge, Node


def node(text: str) -> Node:
    """The node that is printed so."""
    kind, _, name = text.partition("/")
    return {"clean": CLEAN, "consensus": CONSENSUS}.get(text) or Node(kind, name)


def nodes(parents: Mapping[str, Sequence[str]]) -> dict[Node, tuple[Node, ...]]:
    """Nodes with their parents."""
    return {node(child): tuple(map(node, some)) for child, some in parents.items()}


def edge(name: str, source: str, target: str, attracts: bool = False, prevents: bool = False) -> Edge:
    """An edge from one node to another."""
    return Edge(name, (node(source),), node(target), attracts, prevents)
