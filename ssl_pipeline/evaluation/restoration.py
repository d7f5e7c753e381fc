"""How well the inverse of each corruption does on samples that training has not seen."""

from __future__ import annotations

from math import log10

import torch

from ssl_pipeline.datasets import Dataset, sequential_batches
from ssl_pipeline.graph import Graph
from ssl_pipeline.topology import CLEAN


@torch.inference_mode()
def restoration(graph: Graph, dataset: Dataset, samples: int = 1000, batch_size: int = 250) -> dict[str, float]:
    """Per view: mean squared error, PSNR of the restored, and PSNR of what came in; of holes, only the hole counts.

    On a discrete grid: share of the symbols that are right.

    Args:
        graph: in evaluation mode, with a decoder to the clean form; without one the result is empty.
        dataset: samples not trained on.
        samples: how many of them.
        batch_size: samples in a call.

    Returns:
        ``reconstruction/VIEW``, ``psnr/VIEW`` and ``psnr_input/VIEW`` (dB), or ``accuracy/VIEW`` (percent).
    """
    if CLEAN not in graph.decoders:
        return {}
    device = next(graph.parameters()).device
    whole = graph.views_per_step
    graph.views_per_step = len(graph.corruptions)
    sums: dict[str, list[torch.Tensor]] = {name: [torch.zeros(3)] for name in graph.corruptions}
    try:
        for step, batch in enumerate(sequential_batches(dataset, batch_size, samples)):
            batch = batch._replace(x=batch.x.to(device), valid=None if batch.valid is None else batch.valid.to(device))
            clean, views, _ = graph.damage(batch, seed=0, step=step, rank=0)
            for name, view in views.items():
                restored = graph.restore(name, view)
                counted = torch.ones_like(clean.x[:, :1]) if view.removed is None else view.removed.unsqueeze(1).float()
                if graph.grid.discrete:
                    counted = torch.ones_like(clean.x).float() if view.removed is None else view.removed.float()
                    errors = [(restored != clean.x).float(), (view.x != clean.x).float()]
                else:
                    errors = [(restored - clean.x).square().mean(1, keepdim=True), (view.x - clean.x).square().mean(1, keepdim=True)]
                if clean.valid is not None:
                    counted = counted * clean.valid.view(counted.shape)
                sums[name].append(torch.stack([*((e * counted).sum() for e in errors), counted.sum()]).cpu())
    finally:
        graph.views_per_step = whole
    low, high = graph.grid.range
    result = {}
    for name, parts in sums.items():
        after, before, count = torch.stack(parts).sum(0).tolist()
        if count == 0:
            continue
        if graph.grid.discrete:
            result |= {f"accuracy/{name}": 100 * (1 - after / count), f"accuracy_input/{name}": 100 * (1 - before / count)}
            continue
        result |= {f"reconstruction/{name}": after / count, f"psnr/{name}": _psnr(after / count, high - low)}
        if before > 0:
            result[f"psnr_input/{name}"] = _psnr(before / count, high - low)
    return result


def _psnr(error: float, span: float) -> float:
    return 10 * log10(span**2 / max(error, 1e-12))
