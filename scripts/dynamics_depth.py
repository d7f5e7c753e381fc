"""Depth sweep (M23, M24, M25): what passes stacks of linear maps, forth and back, and what they learn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

import torch
import torch.nn.functional as F
from dynamics_stacks import WIDTH, Digits, batches, body
from torch import nn

from ssl_pipeline.diagnostics import StepSizes, layers_of, listen

KINDS = ("plain", "protected", "LayerNorm", "LayerNorm, protected")
RATES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
BATCH = 128


class Depth(NamedTuple):
    """One stack. All but the accuracy before training; magnitudes are log10 of root mean squares."""

    kind: str
    depth: int
    shares: list[float]  # S behind each map
    activations: list[float]
    gradients: list[float]  # of the maps' weights
    weights: list[float]
    accuracy: float  # %, of test samples after training

    def ratio(self, number: int = 0) -> float:
        """Root mean square of the gradient of a map's weight, counted from 0, over that of the last."""
        return 10 ** (self.gradients[min(number, self.depth - 1)] - self.gradients[-1])


def sweep(data: Digits, depths: Sequence[int], steps: int, kinds: Sequence[str] = KINDS) -> Iterator[Depth]:
    """All kinds at all depths."""
    for kind, depth in product(kinds, depths):
        yield Depth(kind, depth, *magnitudes(data, kind, depth), accuracy(data, kind, depth, steps))


def magnitudes(
    data: Digits, kind: str, depth: int, seed: int = 0
) -> tuple[list[float], list[float], list[float], list[float]]:
    """Per map: S, and log10 of activations, gradients and weights, of one batch before training."""
    net, some = classifier(kind, depth, seed), slice(0, 2 * BATCH)
    maps = layers_of(net[0])
    passed = [*listen(net, data.x[some], layers=maps).passed().values()]
    sizes = StepSizes(maps)
    F.cross_entropy(net(data.x[some]), data.label[some]).backward()
    sizes.before()
    moved = [*sizes.after().values()]
    return (
        [one.share for one in passed],
        [one.magnitude for one in passed],
        [one.gradient for one in moved],
        [one.weight for one in moved],
    )


def accuracy(data: Digits, kind: str, depth: int, steps: int, seed: int = 0) -> float:
    """After so many steps of SGD, at the learning rate that fits the training samples best."""
    trained = [train(data, kind, depth, steps, rate, seed) for rate in RATES]
    with torch.no_grad():
        losses = torch.stack([F.cross_entropy(net(data.x), data.label) for net in trained])
        net = trained[int(losses.nan_to_num(nan=torch.inf).argmin())]
        return 100 * float((net(data.test_x).argmax(1) == data.test_label).float().mean())


def train(data: Digits, kind: str, depth: int, steps: int, rate: float, seed: int = 0) -> nn.Sequential:
    """One training by SGD with momentum."""
    net = classifier(kind, depth, seed)
    optimizer = torch.optim.SGD(net.parameters(), lr=rate, momentum=0.9)
    for picked in batches(len(data.x), BATCH, steps, seed):
        optimizer.zero_grad()
        F.cross_entropy(net(data.x[picked]), data.label[picked]).backward()
        optimizer.step()
    return net.eval()


def classifier(kind: str, depth: int, seed: int) -> nn.Sequential:
    """A stack and a linear head."""
    torch.manual_seed(seed)
    stack = body(kind, depth)
    return nn.Sequential(stack, nn.Linear(WIDTH, 10))
