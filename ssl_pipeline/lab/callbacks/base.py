"""The parts of a graph that a callback may be applied to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from torch import nn
from torch.fx import GraphModule

from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.graph.graph_set import GraphSet
from ssl_pipeline.training.callbacks.base import GraphCallback

_PARTS: dict[str, Callable[[Graph], list[nn.Module]]] = {
    "encoder": lambda graph: [graph.encoder],
    "latent": lambda graph: [graph.latent],
    "decoder": lambda graph: [*graph.decoders.values()],
    "heads": lambda graph: [head for term in graph.objective.terms.values() for head in term.children()],
}
"""Modules of a graph by name; heads are the projectors, predictors and losses of its terms."""


class PartsCallback(GraphCallback):
    """A callback for some parts of a graph.

    Args:
        parts: of the graph: encoder, latent, decoder, heads.

    Raises:
        ValueError: no part, or another one.
    """

    def __init__(self, parts: Sequence[str]) -> None:
        if not parts or set(parts) - set(_PARTS):
            raise ValueError(f"parts={list(parts)}: expected some of {', '.join(_PARTS)}")
        self.parts = tuple(parts)

    def modules(self, graphs: GraphSet) -> list[nn.Module]:
        """The modules of the chosen parts, each once."""
        found = (module for graph in graphs.values() for part in self.parts for module in _PARTS[part](graph))
        return [*dict.fromkeys(found)]

    def missing(self, what: str) -> ValueError:
        """What is to be raised where the parts do not hold what is treated."""
        return ValueError(
            f"callback: {type(self).__name__} finds no {what} in {', '.join(self.parts)}: choose other parts of "
            f"{', '.join(_PARTS)}, or another encoder or decoder"
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
