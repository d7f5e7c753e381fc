"""Edges of a trained graph by their names."""

from __future__ import annotations

from collections.abc import Collection

from ssl_pipeline.errors import nearest
from ssl_pipeline.graph import Graph
from ssl_pipeline.objective import Relate


def related(graph: Graph, name: str, starts: Collection[str]) -> Relate:
    """The edge that leads from these parts of a sample.

    Raises:
        ValueError: there is no such edge, or it starts elsewhere.
    """
    edges = {edge: term for edge, term in graph.objective.terms.items() if isinstance(term, Relate)}
    if name not in edges:
        raise ValueError(f"there is no edge {name!r}; {nearest(name, edges)}")
    if set(starts) != set(edges[name].starts):
        raise ValueError(
            f"edge {name} starts from {', '.join(edges[name].starts)}, got {', '.join(starts) or 'nothing'}"
        )
    return edges[name]
