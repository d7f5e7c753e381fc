"""Batches of anyone's loader: what a graph must know of them, and how they become records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from ssl_pipeline.data.base import STATISTICS_SAMPLES
from ssl_pipeline.structures.batch import Batch, as_float
from ssl_pipeline.structures.data_spec import DataSpec
from ssl_pipeline.structures.grid import GridSpec

AXES = {1: ("time",), 2: ("y", "x"), 3: ("z", "y", "x")}
"""Names of a grid's axes where nobody gives any."""

SAMPLE_NAMES = ("x", "image", "images", "img", "pixel_values", "input_values", "audio", "input_ids")
LABEL_NAMES = ("label", "labels", "y", "target")


def as_batch(batch: Any) -> Batch:
    """What a loader gives, as a record: samples first in a tuple or list, by name in a dictionary, or alone.

    Each sample is a source of its own where the loader does not say otherwise (``source``).

    Raises:
        ValueError: no tensor of samples is found.

    >>> as_batch((torch.zeros(2, 1, 4, 4), torch.tensor([3, 1]))).label
    tensor([3, 1])
    """
    if isinstance(batch, Batch):
        return batch
    if isinstance(batch, Tensor):
        return _record(batch)
    if isinstance(batch, Mapping):
        x = next((batch[name] for name in SAMPLE_NAMES if isinstance(batch.get(name), Tensor)), None)
        if x is None:
            raise ValueError(
                f"expected samples under one of {', '.join(SAMPLE_NAMES)}, got {', '.join(map(str, batch))}"
            )
        label = next((batch[name] for name in LABEL_NAMES if name in batch), None)
        return _record(x, label, batch.get("source"), batch.get("valid"))
    if isinstance(batch, Sequence) and batch and isinstance(batch[0], Tensor):
        return _record(batch[0], batch[1] if len(batch) > 1 else None)
    raise ValueError(
        f"expected a tensor, a tuple that begins with one, a dictionary or a Batch, got {type(batch).__name__}: "
        f"give the loader a collate function that stacks its samples"
    )


def _record(x: Tensor, label: Any = None, source: Any = None, valid: Tensor | None = None) -> Batch:
    label = label if isinstance(label, Tensor) and label.ndim == 1 and not label.is_floating_point() else None
    own = torch.arange(len(x), device=x.device)
    return Batch(x, source if isinstance(source, Tensor) else own, None if label is None else label.long(), valid)


def spec_of(batches: Iterable[Any], limit: int = STATISTICS_SAMPLES) -> DataSpec:
    """What a graph must know of the samples of a loader, from the first ``limit`` of them.

    Bytes lie on 0 to 1, numbers on the smallest of 0 to 1, -1 to 1 and their own range that holds them.

    Raises:
        ValueError: no batch; symbols, whose vocabulary no batch tells; samples of one, five or more dimensions.

    >>> spec_of([torch.randint(256, (4, 3, 8, 8), dtype=torch.uint8)]).grid.names
    ('y', 'x')
    """
    parts, count = [], 0
    for batch in batches:
        parts.append(as_batch(batch).x)
        count += len(parts[-1])
        if count >= limit:
            break
    if not parts:
        raise ValueError("expected a loader of batches, got none: is the data set empty?")
    x = torch.cat(parts)
    grid = grid_of_samples(x)
    values = as_float(x, grid).double().movedim(1, -1).flatten(0, -2)
    std = values.std(0, correction=0).clamp_min(1e-3)
    return DataSpec(grid, {}, values.mean(0).tolist(), std.tolist())


def grid_of_samples(x: Tensor) -> GridSpec:
    """Grid of samples (B, C, ...) that nobody describes: bytes lie on 0 to 1, numbers as in ``spec_of``.

    Raises:
        ValueError: symbols, samples of one, five or more dimensions, or values that are not finite.
    """
    axes = AXES.get(x.ndim - 2)
    if axes is None or not (x.is_floating_point() or x.dtype == torch.uint8):
        raise ValueError(
            f"expected samples (B, C, ...) of bytes or floats with one to three axes, got {tuple(x.shape)} {x.dtype}: "
            f"bind the graph to a grid of your own, graph.bind(DataSpec(GridSpec.of(...)))"
        )
    bounds = (0.0, 1.0) if x.dtype == torch.uint8 else _bounds(x)
    named = tuple(zip(axes, x.shape[2:], strict=True))
    signal, steps = len(axes) == 1 and bounds[0] < 0, 255 if x.dtype == torch.uint8 else None
    return GridSpec.of(*named, channels=x.shape[1], range=bounds, signal=signal, storage=steps)


def _bounds(x: Tensor) -> tuple[float, float]:
    low, high = map(float, x.aminmax())  # NaN where there is one
    if not (isfinite(low) and isfinite(high)):
        raise ValueError("expected finite samples, got NaN or infinity: remove them, or fill what they lack")
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    return (-1.0, 1.0) if low >= -1 and high <= 1 else (low, max(high, low + 1e-3))
