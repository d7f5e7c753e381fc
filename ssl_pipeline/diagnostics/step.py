"""Magnitudes of gradients and weights, and how far one step of the optimiser moves them."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Moved(NamedTuple):
    """One layer's weight in one step."""

    gradient: float  # log10 of the root mean square
    weight: float  # likewise
    update: float  # |dW| / |W|


class StepSizes:
    """Looks at weights before and after a step.

    Args:
        layers: by name; each has a ``weight``.

    Example:
        >>> net = nn.Sequential(nn.Linear(4, 4, bias=False))
        >>> step = StepSizes({"0": net[0]})
        >>> net(torch.ones(2, 4)).sum().backward()
        >>> step.before()
        >>> _ = net[0].weight.data.mul_(1.01)
        >>> round(step.after()["0"].update, 4)
        0.01
    """

    def __init__(self, layers: Mapping[str, nn.Module]) -> None:
        self.layers = layers
        self._old: dict[str, tuple[Tensor, Tensor]] = {}

    @torch.no_grad()
    def before(self, scale: float = 1.0) -> None:
        """When the gradients are there.

        Args:
            scale: by which the loss was multiplied, and the gradients with it.
        """
        weights: dict[str, Tensor] = {name: layer.weight for name, layer in self.layers.items()}  # pyright: ignore
        self._old = {n: (w.clone(), _rms(w.grad) / scale) for n, w in weights.items() if w.grad is not None}

    @torch.no_grad()
    def after(self) -> dict[str, Moved]:
        """When the step is done; layers whose gradient was none, or no number, are left out."""
        found = []
        for name, (old, gradient) in self._old.items():
            new: Tensor = self.layers[name].weight.detach()  # pyright: ignore
            found += [gradient.log10(), _rms(old).log10(), _rms(new - old) / _rms(old)]
        numbers = torch.stack(found).cpu().view(-1, 3).tolist() if found else []
        moved = {n: Moved(*some) for n, some in zip(self._old, numbers, strict=True) if all(map(isfinite, some))}
        self._old = {}
        return moved


def _rms(x: Tensor) -> Tensor:
    return x.float().square().mean().sqrt().clamp_min(1e-30)
