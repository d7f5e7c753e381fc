"""How much of a layer's activations depends on the other samples of the batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from ssl_pipeline.diagnostics.layers import Taps, changes, layers_of
from ssl_pipeline.graph import Graph
from ssl_pipeline.records import View

SAMPLES = 32


def batch_effects(graph: Graph, views: Mapping[str, View], names: Sequence[str]) -> dict[str, dict[str, float]]:
    """By view and layer of the encoder: |h - h'| / |h'| of some samples, by themselves and among twice as many.

    As much as between two batches four times as large as they are; up to ``SAMPLES`` are taken. Without batch
    statistics there is nothing to report.

    Args:
        graph: in evaluation mode; its running statistics are left as they are.
        views: standardised.
        names: of views.
    """
    norms = [part for part in graph.encoder.modules() if isinstance(part, _BatchNorm) and part.track_running_stats]
    if not norms:
        return {}
    layers, found = layers_of(graph, leave_out=["teacher", "decoders", "objective", "latent"]), {}
    with torch.no_grad(), _by_batch(norms):
        for name in names:
            half = min(SAMPLES, len(views[name].x) // 2)
            kept = []
            for count in (2 * half, half):
                taps = Taps(layers, ranks=False)
                with taps.listening():
                    graph.encoder({name: views[name].first(count)})
                kept.append({layer: h[:half] for layer, h in taps.kept.items()})
            found[name] = changes(*kept)
    return found


@contextmanager
def _by_batch(norms: Sequence[_BatchNorm]) -> Iterator[None]:
    """Norms take the statistics of the batch for a while, and forget them."""
    before = [{name: value.clone() for name, value in norm.named_buffers()} for norm in norms]
    for norm in norms:
        norm.training = True
    try:
        yield
    finally:
        for norm, buffers in zip(norms, before, strict=True):
            norm.training = False
            for name, value in buffers.items():
                getattr(norm, name).copy_(value)
