"""Constant label (M19, M23): what a stack still knows of its input when one label serves all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from statistics import median
from typing import NamedTuple

import torch
import torch.nn.functional as F
from dynamics_stacks import WIDTH, Digits, batches, body
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from ssl_pipeline.diagnostics import input_share

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "SGD": lambda weights: SGD(weights, lr=0.1, momentum=0.9),
    "SGD, decay 5e-3": lambda weights: SGD(weights, lr=0.1, momentum=0.9, weight_decay=5e-3),
    "AdamW": lambda weights: AdamW(weights, lr=1e-3),
}
LOSSES: dict[str, Callable[[Tensor], Tensor]] = {
    "squared error from 1": lambda logits: (logits - 1).square().mean(),
    "cross-entropy, class 0": lambda logits: F.cross_entropy(logits, logits.new_zeros(len(logits), dtype=torch.long)),
}
BATCH = 128


class Hidden(NamedTuple):
    """What the last hidden layer says of test samples; medians of seeds, before and after training."""

    optimizer: str
    loss: str
    echo: bool
    variance: tuple[float, float]  # tr Var_x(h)
    share: tuple[float, float]  # S


def sweep(data: Digits, steps: int, seeds: int, depth: int = 4) -> Iterator[Hidden]:
    """All optimisers and losses without and with an echo."""
    for optimizer, loss, echo in product(OPTIMIZERS, LOSSES, (False, True)):
        runs = [train(data, OPTIMIZERS[optimizer], LOSSES[loss], echo, steps, depth, seed) for seed in range(seeds)]
        start, end = ([median(numbers) for numbers in zip(*some, strict=True)] for some in zip(*runs, strict=True))
        yield Hidden(optimizer, loss, echo, (start[0], end[0]), (start[1], end[1]))


def train(
    data: Digits,
    optimizer: Callable[..., Optimizer],
    loss: Callable[[Tensor], Tensor],
    echo: bool,
    steps: int,
    depth: int = 4,
    seed: int = 0,
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Hidden variance and S before and after; the echo head is to give the input back, at weight 1."""
    torch.manual_seed(seed)
    net = nn.ModuleDict({"body": body("plain", depth), "label": nn.Linear(WIDTH, 10), "echo": nn.Linear(WIDTH, 64)})
    step, before = optimizer(net.parameters()), hidden(net, data)
    for picked in batches(len(data.x), BATCH, steps, seed):
        x = data.x[picked]
        h = net["body"](x)
        energy = loss(net["label"](h))
        if echo:
            energy = energy + F.mse_loss(net["echo"](h), x)
        step.zero_grad()
        energy.backward()
        step.step()
    return before, hidden(net, data)


@torch.no_grad()
def hidden(net: nn.ModuleDict, data: Digits) -> tuple[float, float]:
    """Variance and S of the last hidden layer."""
    h = net["body"](data.test_x)
    return float(h.var(0).sum()), float(input_share(h))
