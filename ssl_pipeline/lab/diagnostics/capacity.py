"""Possibility space: how near a family of models comes to a function by changing parameters alone, size by size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ssl_pipeline.lab.diagnostics.low_rank import FLOAT32_ROUNDING

Family = Callable[[int, int], nn.Module]
"""Number of inputs and size (hidden units, rank, gates ...) to a fresh model with one output."""

Fit = Callable[[nn.Module, Tensor, Tensor], None]
"""Trains a model on inputs (N, D) and targets (N, 1)."""

_SCALE = 1e12
"""Of the loss: torch's L-BFGS learns no curvature where a step times the change of the gradient is below 1e-10."""


class Target(NamedTuple):
    """A function on some points."""

    x: Float[Tensor, "N D"]
    y: Float[Tensor, "N 1"]
    x_test: Float[Tensor, "M D"]  # held out; where the points are all that there are, the same
    y_test: Float[Tensor, "M 1"]


class Errors(NamedTuple):
    """How much of a target a family leaves unexplained."""

    sizes: tuple[int, ...]
    parameters: tuple[int, ...]  # of a model of each size
    errors: Float[Tensor, "S R"]  # of each size and seed, on held-out points, over the target's variance
    fitted: Float[Tensor, "S R"]  # the same on the points that were fitted

    @property
    def by_size(self) -> Float[Tensor, "S"]:
        """The held-out error of the seed that fits best, for each size."""
        return self.errors.gather(1, self.fitted.argmin(1, keepdim=True))[:, 0]

    @property
    def best(self) -> float:
        """The smallest of them over sizes."""
        return float(self.by_size.min())


def capacity(
    family: Family, target: Target, sizes: Sequence[int], seeds: Sequence[int], fit: Fit | None = None
) -> Errors:
    """Best error over sizes and seeds: an upper bound of the distance from the target to the family.

    In float64, so that a function which the family holds is found to many digits.

    Args:
        family: makes models; a seed decides their weights. Torch's global generator is set.
        target: what is to be reached.
        sizes: in any order.
        seeds: of the weights; the more, the less a bad start counts.
        fit: trains one model; None for ``lbfgs``.

    Raises:
        ValueError: no size, no seed, or a target that does not vary.

    >>> x = torch.linspace(-1, 1, 20).view(-1, 1)
    >>> line = Target(x, 3 * x, x, 3 * x)
    >>> capacity(lambda inputs, size: nn.Linear(inputs, 1), line, [1], [0]).best < 1e-12
    True
    """
    if not sizes or not seeds:
        raise ValueError(f"expected at least one size and one seed, got sizes={list(sizes)}, seeds={list(seeds)}")
    x, y, x_test, y_test = (part.double() for part in target)
    if any(part.std() <= FLOAT32_ROUNDING * part.abs().max() for part in (y, y_test)):
        raise ValueError("expected a target that varies, got a constant: any model is exact on it")
    fit = fit or lbfgs
    parameters, found = [], []
    for size in sizes:
        for seed in seeds:
            torch.manual_seed(seed)
            net = family(x.shape[1], size).double()
            fit(net, x, y)
            with torch.no_grad():
                found.append([unexplained(net(x_test), y_test), unexplained(net(x), y)])
        parameters.append(sum(p.numel() for p in net.parameters()))
    errors, fitted = torch.tensor(found).view(len(sizes), len(seeds), 2).unbind(-1)
    return Errors(tuple(sizes), tuple(parameters), errors, fitted)


def lbfgs(net: nn.Module, x: Tensor, y: Tensor, steps: int = 300) -> None:
    """Full-batch L-BFGS with a line search on the mean squared error."""
    optimiser = torch.optim.LBFGS(
        net.parameters(),
        max_iter=steps,
        tolerance_grad=0,
        tolerance_change=0,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = _SCALE * F.mse_loss(net(x), y)
        value.backward()
        return value

    optimiser.step(loss)


def unexplained(read: Float[Tensor, "N 1"], y: Float[Tensor, "N 1"]) -> float:
    """Mean squared error over the target's variance; infinite where a number is not finite."""
    share = float((read - y).square().mean() / y.var(correction=0))
    return share if share == share else float("inf")
