"""What a graph has learned to do, as its losses say."""

from __future__ import annotations

from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.graph.topology import leading
from ssl_pipeline.objectives import CrossModal, Reconstruction
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.structures.nodes import CLEAN, Node


def views_leading_to(graph: Graph, target: Node = CLEAN) -> list[str]:
    """The views from whose latents a decoder learns to lead to a node; by default, those that it restores."""
    return leading(graph.objective.edges, target, tuple(graph.corruptions))


def fills_only_masked(graph: Graph, view: str) -> bool:
    """Whether of a masked view the decoder has learned the masked places alone, or all else is clean already."""
    if graph.corruptions[view].only_masks:
        return True
    terms = [term for _, term in graph.objective.named() if isinstance(term, Reconstruction | CrossModal)]
    terms = [term for term in terms if term.target == CLEAN.name and term.leads_from(view)]
    return graph.latent.fuse is None and bool(terms) and all(term.fills_only for term in terms)


def grid_of(graph: Graph, name: str) -> GridSpec:
    """What a view, a column of the data or, by any other name, the samples lie on."""
    if name in graph.columns:
        return graph.columns.named()[name].grid
    return graph.corruptions[name].output_grid if name in graph.corruptions else graph.grid
