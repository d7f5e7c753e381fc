"""The graphs of a run, one for each data set; several share a trunk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import nn

from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.structures.per_data_set import PerDataSet


class GraphSet(PerDataSet[Graph]):
    """One graph for each data set of a run; steps take them by turns. One graph is a set of one.

    In several, what does not depend on the grid is the same module in all of them: the encoder's trunk, the latent and
    the projectors. Stems, decoders and view embeddings are their own.

    Args:
        graphs: by the name of the data set, in the order of their turns.

    Attributes:
        module: holds the weights. Of one graph it is that graph, so that names of weights do not say which data they
            were learnt from; of several a ``ModuleDict``.

    Raises:
        ValueError: several graphs that are not bound to data, that have teachers, or whose encoder has no part that
            grids of several kinds can share.
    """

    def __init__(self, graphs: Mapping[str, Graph]) -> None:
        super().__init__(graphs)
        first, *rest = self.values()
        if rest:
            _check_shareable(self)
        for graph in rest:
            _share(first, graph)
        self.module: nn.Module = nn.ModuleDict(self) if rest else first

    @classmethod
    def of(cls, graph: Graph | GraphSet) -> GraphSet:
        """A set as it is; a graph as a set of one."""
        return graph if isinstance(graph, GraphSet) else cls({"data": graph})

    @property
    def is_bound(self) -> bool:
        """Whether all graphs are bound to data, and so have weights."""
        return all(graph.is_bound for graph in self.values())

    def parameters(self) -> Iterator[nn.Parameter]:
        """Parameters of all graphs, each once."""
        return self.module.parameters()

    def follow(self, progress: float) -> None:
        """Let teachers follow; to be called after each step of the optimiser.

        Args:
            progress: of the training, from 0 to 1.
        """
        for graph in self.values():
            graph.follow(progress)


def _check_shareable(graphs: GraphSet) -> None:
    first = next(iter(graphs.values()))
    if not graphs.is_bound:
        raise ValueError("several graphs share weights, and one of these has none yet: bind each to its data first")
    if not first.encoder.shared:
        raise ValueError(
            f"{type(first.encoder).__name__} has no trunk that several kinds of data can share: take encoder=vit"
        )
    if first.teacher is not None:
        raise ValueError("a run on several kinds of data has no teacher: set teacher=none, or train on one of them")


def _share(first: Graph, graph: Graph) -> None:
    """Put modules of the first graph in the place of another's."""
    for name in first.encoder.shared:
        setattr(graph.encoder, name, getattr(first.encoder, name))
    graph.latent = first.latent
    for name in set(first.objective.terms) & set(graph.objective.terms):
        term, twin = graph.objective.terms[name], first.objective.terms[name]
        for head in term.heads:  # pyright: ignore[reportGeneralTypeIssues]
            mine, shared = getattr(term, head), getattr(twin, head)
            both = isinstance(mine, nn.ModuleDict) and isinstance(shared, nn.ModuleDict)  # a head a view
            setattr(term, head, nn.ModuleDict({**mine, **shared}) if both else shared)
