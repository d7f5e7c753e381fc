"""How much of a layer's activations depends on the other samples of the batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from ssl_pipeline.diagnostics.layers import Taps, changes, layers_of
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.structures.batch import View

SAMPLES = 32


def batch_effects(
    graph: Graph, views: Mapping[str, View], names: Sequence[str], size: int
) -> dict[str, dict[str, float]]:
    """By view and layer of the encoder: |h - h'| / |h'| of the same samples in two batches of a size.

    Taken of up to ``SAMPLES`` by themselves and among twice as many, whose statistics differ as those of two batches
    of four times as many do; the difference falls with the root of the size. Without batch statistics, or with
    less than four samples, there is nothing to report.

    Args:
        graph: in evaluation mode; its running statistics are left as they are.
        views: standardised.
        names: of views.
        size: of the run's batches, on this device.
    """
    norms = [part for part in graph.encoder.modules() if isinstance(part, _BatchNorm)]
    if not norms or len(views[names[0]].x) < 4:
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
            scale = (4 * half / size) ** 0.5
            found[name] = {layer: scale * by for layer, by in changes(*kept).items()}
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
