"""Bits per step (M22): a learner that gets one bit a try against one that gets a gradient, by weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import inf
from statistics import median
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

SAMPLES = 256
INPUTS = 8
RATES = (0.03, 0.1, 0.3, 1.0, 3.0)
BACKPROP = 3
"""Evaluations that a step of backprop counts as: one forth, and two in time for the way back."""

Learner = Callable[["Task", int, int], float]


class Task(NamedTuple):
    """A network that is to do what another one of its kind does, on the same samples each time.

    Args:
        loss: of a vector of its weights; its own mean square is 1 where it gives the mean.
        start: the weights (P,) that it begins with.
    """

    loss: Callable[[Tensor], Tensor]
    start: Tensor


def linear(size: int, seed: int) -> Task:
    """One linear map from so many inputs to a number."""
    return _task(nn.Linear(size, 1), nn.Linear(size, 1), size, seed)


def wider(size: int, seed: int) -> Task:
    """One hidden layer of so many tanh, taught by one of 4: more weights for the same task."""
    return _task(_mlp(INPUTS, size), _mlp(INPUTS, 4), INPUTS, seed)


def harder(size: int, seed: int) -> Task:
    """One hidden layer of 16 tanh, taught by one of 4, from so many inputs: more weights for a task that needs them."""
    return _task(_mlp(size, 16), _mlp(size, 4), size, seed)


def _mlp(inputs: int, width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, width), nn.Tanh(), nn.Linear(width, 1))


def _task(student: nn.Module, teacher: nn.Module, inputs: int, seed: int) -> Task:
    generator = torch.Generator().manual_seed(seed)
    for model, gain in ((student, 1.0), (teacher, 2.0)):
        for weight in model.parameters():
            fan_in = weight.shape[-1] if weight.ndim > 1 else 1
            nn.init.normal_(weight, std=(weight.ndim > 1) * gain / fan_in**0.5, generator=generator)
    x = torch.randn(max(SAMPLES, 2 * inputs), inputs, generator=generator)
    with torch.no_grad():
        y = teacher(x)
        y = (y - y.mean()) / y.std()
    shapes = {name: weight.shape for name, weight in student.named_parameters()}
    sizes = [shape.numel() for shape in shapes.values()]

    def loss(weights: Tensor) -> Tensor:
        parts = (part.view(shape) for part, shape in zip(weights.split(sizes), shapes.values(), strict=True))
        return F.mse_loss(torch.func.functional_call(student, dict(zip(shapes, parts, strict=True)), x), y)

    return Task(loss, nn.utils.parameters_to_vector(student.parameters()).detach())


TASKS: dict[str, Callable[[int, int], Task]] = {"linear map": linear, "more inputs": harder, "wider": wider}


@torch.no_grad()
def one_bit(task: Task, seed: int, most: int, threshold: float = 0.1) -> float:
    """Evaluations until the loss is below a threshold; infinite where ``most`` are not enough.

    A random step is kept if it helps: the (1+1) evolution strategy, whose steps grow where more than a fifth of them
    do and shrink where less (Rechenberg 1973).
    """
    generator = torch.Generator().manual_seed(seed)
    weights, step = task.start.clone(), 1 / len(task.start) ** 0.5
    best = float(task.loss(weights))
    for count in range(1, most + 1):
        tried = weights + step * torch.randn(weights.shape, generator=generator)
        loss = float(task.loss(tried))
        if helped := loss < best:
            weights, best = tried, loss
        step *= 1.5 if helped else 1.5**-0.25
        if best < threshold:
            return float(count)
    return inf


def backprop(task: Task, seed: int, most: int, threshold: float = 0.1) -> float:
    """Likewise for gradient descent at the best of some rates, each step counted as ``BACKPROP`` evaluations."""
    return BACKPROP * min(_descent(task, rate, most // BACKPROP, threshold) for rate in RATES)


def _descent(task: Task, rate: float, most: int, threshold: float) -> float:
    weights = task.start.clone().requires_grad_()
    for count in range(most):
        loss = task.loss(weights)
        if loss < threshold:
            return float(count)
        if not loss.isfinite():
            break
        (gradient,) = torch.autograd.grad(loss, weights)
        weights = (weights - rate * gradient).detach().requires_grad_()
    return inf


LEARNERS: dict[str, Learner] = {"one bit": one_bit, "backprop": backprop}


class Curve(NamedTuple):
    """Evaluations to the threshold by number of weights."""

    task: str
    learner: str
    weights: list[int]
    evaluations: list[float]  # medians of seeds; infinite where most did not get there

    @property
    def exponent(self) -> float:
        """Of evaluations ~ weights^exponent, by least squares of logarithms; of those that got there."""
        found = np.isfinite(self.evaluations)
        if found.sum() < 2:
            return float("nan")
        return float(np.polyfit(np.log(self.weights)[found], np.log(self.evaluations)[found], 1)[0])


def curves(sizes: Sequence[int], seeds: int, most: int) -> Iterator[Curve]:
    """All tasks and learners."""
    for (name, make), (learner, learn) in product(TASKS.items(), LEARNERS.items()):
        tasks = [[make(size, seed) for seed in range(seeds)] for size in sizes]
        found = [median(learn(task, seed, most) for seed, task in enumerate(some)) for some in tasks]
        yield Curve(name, learner, [len(some[0].start) for some in tasks], found)
