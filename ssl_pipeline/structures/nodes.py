"""Names of a graph's nodes, and its edges."""

from __future__ import annotations

from typing import NamedTuple

CLEAN = "clean"
CONSENSUS = "latent"


def view_node(name: str) -> str:
    """Node of a view."""
    return f"view/{name}"


def latent_node(name: str) -> str:
    """Node of a view's latent."""
    return f"latent/{name}"


def teacher_node(name: str) -> str:
    """Node of what the teacher says of a view, which no gradient enters."""
    return f"teacher/{name}"


def output_node(name: str) -> str:
    """Node of what is decoded from a view, in place of the clean form."""
    return f"output/{name}"


def view_of(node: str) -> str:
    """The view that a node belongs to; other nodes have only their own name.

    >>> view_of("latent/crop_1"), view_of("view/mask"), view_of("clean")
    ('crop_1', 'mask', 'clean')
    """
    return node.partition("/")[2] or node


class Edge(NamedTuple):
    """An energy between what follows from ``source`` and ``target``."""

    name: str
    source: str
    target: str
    attracts: bool  # a latent, or an output, is pulled towards another or towards what the teacher says of a view
    prevents_collapse: bool  # a constant latent at its ends costs energy
