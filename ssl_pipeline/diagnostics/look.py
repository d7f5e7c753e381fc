"""One look at a graph: everything that the diagnostics measure of it, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ssl_pipeline.diagnostics.batch import batch_effects
from ssl_pipeline.diagnostics.collapse import gap, signs
from ssl_pipeline.diagnostics.edges import loss_gradients
from ssl_pipeline.diagnostics.judge import END, Numbers
from ssl_pipeline.diagnostics.layers import Taps, changes, layers_of
from ssl_pipeline.diagnostics.registry import registered_numbers
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.structures.batch import Batch

_FEW = 32
"""Samples of which the losses' gradients are taken."""


@dataclass
class ProbeBatch:
    """What is kept of one graph between two looks."""

    probe: Batch  # the same samples at each look, corrupted in the same way
    size: int = 256  # of the batches that they come from
    kept: dict[str, dict[str, Tensor]] = field(default_factory=dict)  # by path and layer


def look(graph: Graph, eye: ProbeBatch, seed: int, layers: bool = True) -> tuple[dict[str, np.ndarray], Numbers]:
    """Embeddings (N, D) by view of the samples that are looked at, and what is to be said of the graph.

    Args:
        graph: in evaluation mode.
        eye: remembers what it has seen.
        seed: of the views' random numbers.
        layers: look at layers and losses, too.
    """
    views = graph.normalized(graph.corrupt(eye.probe, seed, whole=True).views)
    inside = layers_of(graph, leave_out=["teacher", "decoders", "objective"]) if layers else {}
    taps, pooled = {}, {}
    for name in graph.students:
        taps[name] = Taps(inside)
        with torch.no_grad(), taps[name].listening():
            latent = graph.encode({name: views[name]})[name]
        taps[name].hear(END, latent.tokens)
        pooled[name] = latent.pooled
    stacked = torch.stack([*pooled.values()]).float().cpu()  # one transfer
    embedded = dict(zip(pooled, stacked.numpy(), strict=True))
    numbers = Numbers({view: signs(z) for view, z in embedded.items()}, (stacked.shape[1], stacked.shape[2]))
    numbers = numbers._replace(registered=registered_numbers(graph, views))
    if not layers:
        return embedded, numbers
    taps[""] = Taps(layers_of(graph, leave_out=["teacher", "encoder", "latent"]))
    with taps[""].listening():
        pulled = loss_gradients(graph, graph.corrupt(eye.probe.first(_FEW), seed, whole=True))
    before, eye.kept = eye.kept, {path: tap.kept for path, tap in taps.items()}
    return embedded, numbers._replace(
        passed={path: tap.passed() for path, tap in taps.items()},
        changed={path: changes(tap.kept, before.get(path, {})) for path, tap in taps.items()},
        jumps=batch_effects(graph, views, graph.students, eye.size),
        pulls=pulled,
        symbols=graph.grid.discrete,
    )


def headline(numbers: Numbers, embedded: Mapping[str, np.ndarray]) -> dict[str, float]:
    """What every logger gets of a look."""
    values = {f"{key}/{view}": value for view, s in numbers.signs.items() for key, value in s._asdict().items()}
    if len(embedded) > 1:
        values["gap"] = gap([*embedded.values()])
    shares = [layers[END].share for layers in numbers.passed.values() if END in layers]
    moved = [of.update for of in numbers.moved.values()]
    changed = [by for layers in numbers.changed.values() for by in layers.values()]
    values |= {"least_share": min(shares)} if shares else {}
    values |= {"largest_update": max(moved)} if moved else {}
    values |= {"largest_change": max(changed)} if changed else {}
    if numbers.pulls is not None and len(numbers.pulls.names) > 1:
        values["least_cosine"] = float(np.nanmin([*numbers.pulls.cosines.flatten().tolist(), 1.0]))
    return values | dict(numbers.registered)


def rows(numbers: Numbers) -> dict[str, float]:
    """All numbers of layers and losses by ``WHAT/PATH/LAYER``; the path beyond the encoder is ``graph``."""
    found: dict[str, float] = {}
    for path, layers in numbers.passed.items():
        for layer, passed in layers.items():
            found |= {f"{key}/{path or 'graph'}/{layer}": value for key, value in passed._asdict().items()}
    for kind, paths in (("change", numbers.changed), ("jump", numbers.jumps)):
        for path, layers in paths.items():
            found |= {f"{kind}/{path or 'graph'}/{layer}": by for layer, by in layers.items()}
    for layer, moved in numbers.moved.items():
        found |= {f"{key}/step/{layer}": value for key, value in moved._asdict().items()}
    if numbers.pulls is not None:
        names = [name.replace("/", ".") for name in numbers.pulls.names]
        found |= {f"pull/{name}": float(norm) for name, norm in zip(names, numbers.pulls.norms, strict=True)}
        for i, a in enumerate(names):
            found |= {f"cosine/{a}/{b}": float(numbers.pulls.cosines[i, j]) for j, b in enumerate(names) if j > i}
    return found
