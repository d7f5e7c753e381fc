"""How well the inverse of each corruption does on samples that training has not seen."""

from __future__ import annotations

from collections import defaultdict
from math import log10

import torch
from torch import Tensor

from ssl_pipeline.datasets import Dataset, Stream, sequential_batches
from ssl_pipeline.graph import Graph
from ssl_pipeline.grid import GridSpec
from ssl_pipeline.records import View
from ssl_pipeline.topology import CLEAN


@torch.inference_mode()
def restoration(
    graph: Graph, dataset: Dataset | Stream, samples: int = 1000, batch_size: int = 250
) -> dict[str, float]:
    """Per view: mean squared error, PSNR of the restored, and PSNR of what came in; of holes, only the hole counts.

    On a discrete grid: share of the symbols that are right.

    Args:
        graph: in evaluation mode, with a decoder to the clean form; without one the result is empty.
        dataset: samples not trained on.
        samples: how many of them.
        batch_size: samples in a call.

    Returns:
        ``reconstruction/VIEW``, ``psnr/VIEW`` and ``psnr_input/VIEW`` (dB); or ``accuracy/VIEW`` and
        ``accuracy_input/VIEW`` (percent).
    """
    if CLEAN not in graph.decoders:
        return {}
    device = next(graph.parameters()).device
    totals: dict[str, Tensor] = defaultdict(lambda: torch.zeros(3))
    for step, batch in enumerate(sequential_batches(dataset, batch_size, samples)):
        valid = None if batch.valid is None else batch.valid.to(device)
        damaged = graph.damage(batch._replace(x=batch.x.to(device), valid=valid), step=step, whole=True)
        for name, view in damaged.views.items():
            totals[name] += _errors(damaged.clean, view, graph.restore(name, view), graph.grid.discrete)
    scores = [_scores(name, total, graph.grid) for name, total in totals.items()]
    return {key: value for part in scores for key, value in part.items()}


def _errors(clean: View, view: View, restored: Tensor, discrete: bool) -> Tensor:
    """Sums over the places that count: error of the restored, error of the view, number of places."""

    def error(x: Tensor) -> Tensor:
        return (x != clean.x).float() if discrete else (x - clean.x).square().mean(1)

    after, before = error(restored), error(view.x)
    # A hole that was moved (mask-reversal) has no place in the clean frame, so everything counts.
    moved = view.origin is not view.position
    counted = torch.ones_like(after) if view.removed is None or moved else view.removed.float()
    if clean.valid is not None:
        counted = counted * clean.valid
    return torch.stack([(after * counted).sum(), (before * counted).sum(), counted.sum()]).cpu()


def _scores(name: str, total: Tensor, grid: GridSpec) -> dict[str, float]:
    after, before, count = total.tolist()
    if count == 0:
        return {}
    after, before = after / count, before / count
    if grid.discrete:
        return {f"accuracy/{name}": 100 * (1 - after), f"accuracy_input/{name}": 100 * (1 - before)}
    low, high = grid.range
    scores = {f"reconstruction/{name}": after, f"psnr/{name}": _psnr(after, high - low)}
    return scores if before == 0 else {**scores, f"psnr_input/{name}": _psnr(before, high - low)}


def _psnr(error: float, span: float) -> float:
    return 10 * log10(span**2 / max(error, 1e-12))
