"""The extension point for numbers of one's own in each look of the diagnostics."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.structures.batch import View

Diagnostic = Callable[[Graph, Mapping[str, View]], Mapping[str, float]]
"""Numbers by name, of a graph in evaluation mode and a few standardised samples in all views."""

_REGISTERED: dict[str, Diagnostic] = {}


def register_diagnostic(name: str) -> Callable[[Diagnostic], Diagnostic]:
    """Decorator: add the numbers of a function to each look, as ``NAME/KEY``.

    Raises:
        ValueError: the name is taken by another function.
    """

    def register(function: Diagnostic) -> Diagnostic:
        if _REGISTERED.setdefault(name, function) is not function:
            raise ValueError(f"register_diagnostic({name!r}): the name is taken by {_REGISTERED[name]}: take another")
        return function

    return register


def registered_numbers(graph: Graph, views: Mapping[str, View]) -> dict[str, float]:
    """What all registered functions say."""
    return {f"{name}/{key}": n for name, of in _REGISTERED.items() for key, n in of(graph, views).items()}
