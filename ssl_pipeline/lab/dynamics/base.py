"""What treats a built graph, and the parts of it that may be chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

from torch import nn
from torch.fx import GraphModule

from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.graph.multi_dataset import MixedGraph

PARTS: dict[str, Callable[[Graph], list[nn.Module]]] = {
    "encoder": lambda graph: [graph.encoder],
    "latent": lambda graph: [graph.latent],
    "decoder": lambda graph: [*graph.decoders.values()],
    "heads": lambda graph: [head for term in graph.objective.terms.values() for head in term.children()],
}
"""Modules of a graph by name; heads are the projectors, predictors and energies of its terms."""


class Dynamics:
    """One treatment. What it does to a graph is not part of its weights: a trained graph is loaded without it.

    Training calls ``treat`` once, then around each step of the optimiser ``before_step`` and ``after_step``; so can any
    other loop.

    Args:
        parts: of the graph that it treats: encoder, latent, decoder, heads.

    Raises:
        ValueError: no part, or another one.
    """

    shards: ClassVar[bool] = False
    """Whether it can do with weights that lie in shards."""

    compiles: ClassVar[bool] = True
    """Whether a compiled encoder still does what it says."""

    def __init__(self, parts: Sequence[str]) -> None:
        if not parts or set(parts) - set(PARTS):
            raise ValueError(f"parts={list(parts)}: expected some of {', '.join(PARTS)}")
        self.parts = tuple(parts)

    @property
    def loss_scale(self) -> bool:
        """Whether gradients still hold the factor of the loss, by which a loss scaler divides them."""
        return True

    def treat(self, graph: Graph | MixedGraph) -> None:
        """Change a built graph in place; its forward pass and the names of its weights stay.

        Raises:
            ValueError: its parts hold nothing that can be treated.
        """

    def before_step(self, graph: Graph | MixedGraph) -> None:
        """Between the backward pass, with its mean over ranks, and the optimiser's step."""

    def after_step(self, graph: Graph | MixedGraph, step: int) -> None:
        """After the optimiser's step, and before the teacher follows.

        Args:
            graph: that was treated.
            step: of the training, counted from 1.
        """

    def modules(self, graph: Graph | MixedGraph) -> list[nn.Module]:
        """The modules of the chosen parts, each once."""
        graphs: list[Graph] = [*graph.graphs.values()] if isinstance(graph, MixedGraph) else [graph]  # pyright: ignore
        found = (module for one in graphs for part in self.parts for module in PARTS[part](one))
        return [*dict.fromkeys(found)]

    def missing(self, what: str) -> ValueError:
        """What is to be raised where the parts do not hold what is treated."""
        return ValueError(
            f"dynamics: {type(self).__name__} finds no {what} in {', '.join(self.parts)}: choose other parts of "
            f"{', '.join(PARTS)}, or another encoder or decoder"
        )


def blocks(module: nn.Module) -> list[nn.Module]:
    """Elements of lists that have parts of their own and hold no other such block, in the order of their names.

    >>> trunk = nn.ModuleList(nn.Sequential(nn.ModuleDict({"a": nn.ReLU()}), nn.ReLU()) for _ in range(2))
    >>> [type(block).__name__ for block in blocks(trunk)]
    ['ModuleDict', 'ModuleDict']
    """
    return [*_blocks(module, listed=False)]


def _blocks(module: nn.Module, listed: bool) -> Iterator[nn.Module]:
    if isinstance(module, GraphModule):  # traced: it calls the layers and not what holds them
        return
    is_list = isinstance(module, nn.ModuleList | nn.Sequential)
    inner = [block for child in module.children() for block in _blocks(child, is_list)]
    yield from inner
    if listed and not inner and not is_list and [*module.children()]:
        yield module
