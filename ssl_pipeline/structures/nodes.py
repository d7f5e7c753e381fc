"""The nodes of a graph and the edges between them."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["clean", "view", "latent", "teacher", "output", "consensus"]


class Node(NamedTuple):
    """Something that a graph computes.

    >>> print(Node.latent("crop_1"), CLEAN)
    latent/crop_1 clean
    """

    kind: Kind
    name: str  # of the view or of the column of the data that it belongs to

    @classmethod
    def view(cls, name: str) -> Node:
        """A view, or a column of the data."""
        return cls("view", name)

    @classmethod
    def latent(cls, name: str) -> Node:
        """The latent of a view."""
        return cls("latent", name)

    @classmethod
    def teacher(cls, name: str) -> Node:
        """The teacher's latent of a view, which no gradient enters."""
        return cls("teacher", name)

    @classmethod
    def output(cls, name: str) -> Node:
        """What is decoded from a view, in place of the clean form."""
        return cls("output", name)

    def __str__(self) -> str:
        return self.name if self in (CLEAN, CONSENSUS) else f"{self.kind}/{self.name}"


CLEAN = Node("clean", "clean")
"""The clean sample."""

CONSENSUS = Node("consensus", "consensus")
"""The one latent of all views of a sample."""


class Edge(NamedTuple):
    """A loss between what follows from ``sources``, together, and ``target``."""

    name: str
    sources: tuple[Node, ...]
    target: Node
    attracts: bool  # a latent, or an output, is pulled towards another or towards the teacher's of a view
    prevents_collapse: bool  # a constant latent at its ends costs something

    @property
    def source(self) -> Node:
        """The first source, or the only one."""
        return self.sources[0]

    @property
    def ends(self) -> tuple[Node, ...]:
        """Sources and target."""
        return (*self.sources, self.target)
