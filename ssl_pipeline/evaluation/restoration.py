"""How well the inverse of each corruption does on samples that training has not seen."""

from __future__ import annotations

from collections import defaultdict
from math import isfinite, log10, nan

import torch
from torch import Tensor

from ssl_pipeline.data import Dataset, Stream, sequential_batches
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.inference.inference import Inference
from ssl_pipeline.inference.learned import views_leading_to
from ssl_pipeline.structures.batch import View
from ssl_pipeline.structures.grid import GridSpec


@torch.inference_mode()
def restoration(
    graph: Graph, dataset: Dataset | Stream, samples: int = 1000, batch_size: int = 250
) -> dict[str, float]:
    """How far from the clean form each view is before and after it is restored; of a masked view, in its mask alone.

    Args:
        graph: in evaluation mode, without a decoder to the clean form the result is empty.
        dataset: samples not trained on.
        samples: how many of them.
        batch_size: samples in a call.

    Returns:
        ``reconstruction/VIEW`` (mean squared error), ``psnr/VIEW`` and ``psnr_input/VIEW`` (dB), of signals also
        ``snr/VIEW`` and ``snr_input/VIEW`` (dB, all samples taken together); of symbols ``accuracy/VIEW`` and
        ``accuracy_input/VIEW`` (percent of the symbols that are right), and ``exact/VIEW`` (percent of the samples
        all of whose counted symbols are).
    """
    if not (views := views_leading_to(graph)):
        return {}
    inference, device = Inference(graph), next(graph.parameters()).device
    totals: dict[str, Tensor] = defaultdict(lambda: torch.zeros(6))
    for step, batch in enumerate(sequential_batches(dataset, batch_size, samples)):
        corrupted = graph.corrupt(batch.on(device), step=step, whole=True)
        for name in views:
            view = corrupted.views[name]
            totals[name] += _errors(corrupted.clean, view, inference.restore(name, view), graph.grid.discrete)
    scores = [_scores(name, total, graph.grid) for name, total in totals.items()]
    return {key: value for part in scores for key, value in part.items()}


def _errors(clean: View, view: View, restored: Tensor, discrete: bool) -> Tensor:
    """Sums over the places that count: error of the restored, of the view, power of the clean sample, places;
    samples without an error, samples with a place that counts."""

    def error(x: Tensor) -> Tensor:
        return (x != clean.x).float() if discrete else (x - clean.x).square().mean(1)

    after = error(restored)
    before = error(view.x) if view.x.shape == clean.x.shape else torch.full_like(after, nan)  # a small crop has none
    power = torch.zeros_like(after) if discrete else clean.x.square().mean(1)
    # A mask that was moved (mask-reversal) has no place in the clean frame, so everything counts.
    moved = view.source_coords is not view.coords
    counted = torch.ones_like(after) if view.mask is None or moved else view.mask.float()
    if clean.valid is not None:
        counted = counted * clean.valid
    sums = [(part * counted).sum() for part in (after, before, power)]
    asked = counted.flatten(1).sum(1) > 0
    right = asked & ((after * counted).flatten(1).sum(1) == 0)
    return torch.stack([*sums, counted.sum(), right.sum(), asked.sum()]).float().cpu()


def _scores(name: str, total: Tensor, grid: GridSpec) -> dict[str, float]:
    after, before, power, count, right, samples = total.tolist()
    if count == 0:
        return {}
    after, before, power = after / count, before / count, power / count
    if grid.discrete:
        shares = {"accuracy": 1 - after, "accuracy_input": 1 - before, "exact": right / samples}
        return {f"{key}/{name}": 100 * value for key, value in shares.items() if isfinite(value)}
    scores = {f"reconstruction/{name}": after, f"psnr/{name}": decibels(span(grid) ** 2, after)}
    if before > 0:
        scores[f"psnr_input/{name}"] = decibels(span(grid) ** 2, before)
    if grid.signal and power > 0:
        scores[f"snr/{name}"] = decibels(power, after)
        if before > 0:
            scores[f"snr_input/{name}"] = decibels(power, before)
    return scores


def span(grid: GridSpec) -> float:
    """From a grid's smallest value to its largest."""
    return grid.range[1] - grid.range[0]


def decibels(power: float, error: float) -> float:
    """Power over error."""
    return 10 * log10(power / max(error, 1e-12))
