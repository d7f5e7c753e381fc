"""Minima of energies, each sample having its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

MEMORY = 8
"""Steps that tell the curvature."""


class _Seen(NamedTuple):
    """What a step showed of the curvature; each sample's own."""

    step: Tensor  # (B, K, D)
    change: Tensor  # (B, K, D), of the slope along it
    scale: Tensor  # (B, 1, 1), one over their product; 0 where that is not positive


def minimised(
    energy: Callable[[Tensor], Tensor], z: Float[Tensor, "B K D"], steps: int, first: float
) -> tuple[Float[Tensor, "B K D"], Float[Tensor, "S B"]]:
    """Quasi-Newton steps (L-BFGS, Nocedal 1980) of all samples at once, none of which raises a sample's energy.

    A step that would raise it is not taken, and what it showed of the curvature shortens the next one.

    Args:
        energy: (B, K, D) to (B,).
        z: where to start.
        steps: one evaluation of the energy and its slope each.
        first: length of the first step, in lengths of the slope.

    Returns:
        Where the samples came to, and their energies at the start and after each step, S = steps + 1.
    """
    z, (here, slope) = z.detach(), _slope(energy, z)
    length, shorter = torch.full_like(here, first)[:, None, None], torch.ones_like(here)[:, None, None]
    seen: list[_Seen] = []
    trace = [here]
    for _ in range(steps):
        down = _newton(slope, seen, length)
        down = torch.where(_dot(down, slope) > 0, down, length * slope)
        step = -shorter * down
        there, slope_there = _slope(energy, z + step)
        change = slope_there - slope
        product, size = _dot(step, change), _dot(change, change)
        curved = product > 1e-8 * (_dot(step, step) * size).sqrt()
        seen = [*seen, _Seen(step, change, torch.where(curved, 1 / product, 0.0))][-MEMORY:]
        length = torch.where(curved, product / size, length)
        better = (there <= here)[:, None, None]
        shorter = torch.where(better, 1.0, torch.where(curved, shorter, shorter / 4))
        z, slope = torch.where(better, z + step, z), torch.where(better, slope_there, slope)
        here = torch.where(there <= here, there, here)
        trace.append(here)
    return z, torch.stack(trace)


def _newton(slope: Tensor, seen: Sequence[_Seen], length: Tensor) -> Tensor:
    """The slope times the inverse curvature that the steps have shown; ``length`` stands for the rest of it."""
    shares = []
    for one in reversed(seen):
        shares.append(one.scale * _dot(one.step, slope))
        slope = slope - shares[-1] * one.change
    slope = length * slope
    for one, share in zip(seen, reversed(shares), strict=True):
        slope = slope + one.step * (share - one.scale * _dot(one.change, slope))
    return slope


def _slope(energy: Callable[[Tensor], Tensor], z: Tensor) -> tuple[Tensor, Tensor]:
    """Energies (B,) and their gradient, (B, K, D)."""
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        found = energy(z)
        (slope,) = torch.autograd.grad(found.sum(), z)
    return found.detach(), slope.detach()


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Products of samples, (B, 1, 1)."""
    return (a * b).sum((1, 2), keepdim=True)
