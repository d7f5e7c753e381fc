"""Equal step everywhere (M27): how far one step moves the weights of each layer of a stack."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import log10
from statistics import fmean
from typing import NamedTuple

import torch.nn.functional as F
from dynamics_depth import BATCH, KINDS, classifier
from dynamics_stacks import Digits, batches
from torch.optim import SGD, AdamW, Optimizer

from ssl_pipeline.diagnostics import StepSizes, layers_of

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {"SGD": SGD, "AdamW": AdamW}
LARGEST = 1e-3
"""Share of its weights by which the first step moves the map that it moves most; sets each learning rate."""


class Steps(NamedTuple):
    """|dW| / |W| by map of a stack, mean of the steps; 0, as where all is below rounding, counts as 1e-30."""

    kind: str
    depth: int
    optimizer: str
    updates: list[float]

    @property
    def decades(self) -> float:
        """Between the largest and the smallest."""
        return log10(max(self.updates) / min(self.updates))


def sweep(data: Digits, depths: Sequence[int], steps: int, seed: int = 0) -> Iterator[Steps]:
    """All kinds at all depths by all optimisers."""
    for kind, depth, name in product(KINDS, depths, OPTIMIZERS):
        trial = max(updates(data, kind, name, depth, 1.0, steps=1, seed=seed))
        yield Steps(kind, depth, name, updates(data, kind, name, depth, LARGEST / trial, steps, seed))


def updates(data: Digits, kind: str, name: str, depth: int, rate: float, steps: int, seed: int = 0) -> list[float]:
    """Of one stack, by map."""
    net = classifier(kind, depth, seed)
    optimizer = OPTIMIZERS[name](net.parameters(), lr=rate)
    moving, found = StepSizes(layers_of(net[0])), defaultdict(list)
    for picked in batches(len(data.x), BATCH, steps, seed):
        optimizer.zero_grad()
        F.cross_entropy(net(data.x[picked]), data.label[picked]).backward()
        moving.before()
        optimizer.step()
        for layer, moved in moving.after().items():
            found[layer].append(moved.update)
    return [max(fmean(some), 1e-30) for some in found.values()]
