"""Stacks of linear maps for scripts/probe_dynamics.py, what may stand behind each map, and what they learn from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from ssl_pipeline.lab.layers import GradientProtection

WIDTH = 128


KINDS: dict[str, Callable[[int], list[nn.Module]]] = {
    "plain": lambda width: [nn.ReLU()],
    "protected": lambda width: [nn.ReLU(), GradientProtection(mean=False)],
    "LayerNorm": lambda width: [nn.LayerNorm(width), nn.ReLU()],
    "LayerNorm, protected": lambda width: [nn.LayerNorm(width), nn.ReLU(), GradientProtection(mean=False)],
    "BatchNorm": lambda width: [nn.BatchNorm1d(width), nn.ReLU()],
    "dropout": lambda width: [nn.ReLU(), nn.Dropout(0.5)],
}
"""What stands behind each map."""


def body(kind: str, depth: int, inputs: int = 64, width: int = WIDTH) -> nn.Sequential:
    """Linear maps, torch's own initialisation, each with what stands behind it; ``2.linear`` is the third."""
    sizes = [inputs] + depth * [width]
    return nn.Sequential(*(nn.Sequential(nn.Linear(sizes[i], sizes[i + 1]), *KINDS[kind](width)) for i in range(depth)))


class Digits(NamedTuple):
    """scikit-learn's handwritten digits, each pixel standardised by the training samples."""

    x: Tensor  # (1437, 64)
    label: Tensor  # (1437,)
    test_x: Tensor  # (360, 64)
    test_label: Tensor  # (360,)


def digits() -> Digits:
    """Every fifth is a test sample."""
    x, label = load_digits(return_X_y=True)
    test = torch.arange(len(x)) % 5 == 0
    scaled = StandardScaler().fit(x[~test]).transform(x)
    x, label = torch.as_tensor(scaled, dtype=torch.float32), torch.as_tensor(label)
    return Digits(x[~test], label[~test], x[test], label[test])


def batches(count: int, size: int, steps: int, seed: int) -> Iterator[Tensor]:
    """Indices of shuffled batches, epoch after epoch."""
    generator, left = torch.Generator().manual_seed(seed), torch.empty(0, dtype=torch.long)
    for _ in range(steps):
        if len(left) < size:
            left = torch.randperm(count, generator=generator)
        yield left[:size]
        left = left[size:]
