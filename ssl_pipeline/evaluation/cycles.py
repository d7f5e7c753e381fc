"""How well the two halves of a cut, or two translators, undo each other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor

from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.inference.learned import views_leading_to
from ssl_pipeline.inference.modules import UNKNOWN, Back, Front, Translator, cuts
from ssl_pipeline.structures.batch import Batch, as_float
from ssl_pipeline.structures.nodes import Node


class Cycle(NamedTuple):
    """Errors there and back at a cut, as shares of the variance: 0 is perfect, 1 is no better than the mean."""

    at: str
    numbers: int  # that pass the cut for one sample
    x: float  # from samples and back: x to z to x
    z: float  # from what passes the cut and back: z to x to z


class Pair(NamedTuple):
    """Errors of a view translated to another and back, as shares of its variance."""

    views: tuple[str, str]
    first: float  # a to b to a
    second: float  # b to a to b


@torch.inference_mode()
def cycle_errors(graph: Graph, x: Tensor, valid: Tensor | None = None) -> list[Cycle]:
    """At every cut, of clean samples; of symbols ``x`` is the share that comes out wrong.

    Args:
        graph: in evaluation mode, with a decoder to the clean form.
        x: (B, C, *grid) or (B, *grid), on the graph's device.
        valid: (B, *grid) bool, False = padding, which does not count.

    Raises:
        ValueError: no decoder leads to the clean form.
    """
    return [_cycle(graph, at, x, valid) for at in cuts(graph)]


def _cycle(graph: Graph, at: str, x: Tensor, valid: Tensor | None) -> Cycle:
    front, back = Front(graph, at, UNKNOWN), Back(graph, at, UNKNOWN)
    passing = front.wires(x, valid=valid)
    found = back(**passing)
    again = front.wires(found, valid=valid)
    numbers = sum(wire[0].numel() for name, wire in passing.items() if name != "valid")
    real = torch.ones_like(x if graph.grid.discrete else x[:, 0], dtype=torch.bool) if valid is None else valid
    if graph.grid.discrete:
        wrong = float((found != x)[real].float().mean())
    else:
        wrong = _share(found, as_float(x, graph.grid), real.unsqueeze(1))
    return Cycle(at, numbers, wrong, _share(again["z"], passing["z"]))


@torch.inference_mode()
def translations(graph: Graph, batch: Batch) -> list[Pair]:
    """Of every two views between which translators lead both ways.

    Args:
        graph: in evaluation mode, of a continuous grid.
        batch: clean samples, on the graph's device.
    """
    corrupted = graph.corrupt(batch, whole=True)

    def there(a: str, b: str, x: Tensor, mask: Tensor | None) -> Tensor:
        corruption_params = graph.corruptions[b].params_of(corrupted.views[b])
        return Translator(graph, a, b)(x, mask=mask, valid=batch.valid, corruption_params=corruption_params)

    def cycle(a: str, b: str) -> float:
        view, other = corrupted.views[a], corrupted.views[b]
        return _share(there(b, a, there(a, b, view.x, view.mask), other.mask), view.x)

    return [Pair((a, b), cycle(a, b), cycle(b, a)) for a, b in _both_ways(graph)]


def _both_ways(graph: Graph) -> Iterator[tuple[str, str]]:
    to = {view: set(views_leading_to(graph, Node.view(view))) for view in graph.corruptions}
    for a, b in combinations(graph.corruptions, 2):
        if a in to[b] and b in to[a]:
            yield a, b


def _share(found: Tensor, wanted: Tensor, real: Tensor | None = None) -> float:
    """Squared error as a share of the variance between samples, where it counts."""
    wanted = wanted.float()
    weight = torch.ones_like(wanted) if real is None else real.expand_as(wanted).float()
    error, apart = (found.float() - wanted).square() * weight, (wanted - wanted.mean(0)).square() * weight
    return float(error.sum() / apart.sum().clamp(min=1e-12))
