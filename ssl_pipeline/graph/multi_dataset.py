"""Graphs of several kinds of data that share a trunk."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from ssl_pipeline.graph.graph import Graph


class MixedGraph(nn.Module):
    """One graph a data set; what does not depend on the grid is the same module in all of them.

    Shared are the encoder's trunk, the latent and the projectors; stems, decoders and view embeddings are their own.

    Args:
        graphs: by the name of the data set, in the order of their turns.

    Raises:
        ValueError: an encoder without a part that grids of several kinds can share.
    """

    def __init__(self, graphs: Mapping[str, Graph]) -> None:
        super().__init__()
        first, *rest = graphs.values()
        if not first.encoder.shared:
            raise ValueError(
                f"{type(first.encoder).__name__} has no trunk that several kinds of data can share: take encoder=vit"
            )
        if first.teacher is not None:
            raise ValueError("a run on several kinds of data has no teacher: set teacher=none, or train on one of them")
        for graph in rest:
            for name in first.encoder.shared:
                setattr(graph.encoder, name, getattr(first.encoder, name))
            graph.latent = first.latent
            for name in set(first.objective.terms) & set(graph.objective.terms):
                term, twin = graph.objective.terms[name], first.objective.terms[name]
                for head in term.heads:  # pyright: ignore[reportGeneralTypeIssues]
                    setattr(term, head, getattr(twin, head))
        self.graphs = nn.ModuleDict(graphs)

    def follow(self, progress: float) -> None:
        """Nothing: no graph of it has a teacher."""

    def at(self, step: int) -> tuple[str, Graph]:
        """Name and graph of the data set whose turn a step is; a function of the step number alone."""
        name = list(self.graphs)[step % len(self.graphs)]
        return name, self.graphs[name]  # pyright: ignore[reportReturnType]
