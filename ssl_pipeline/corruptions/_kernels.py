"""Resampling kernels, and the matrices that carry a line of cells to one of another number."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


def _box(t: Tensor) -> Tensor:
    return ((t > -0.5) & (t <= 0.5)).to(t.dtype)


def _bilinear(t: Tensor) -> Tensor:
    return (1 - t.abs()).clamp_(min=0)


def _bicubic(t: Tensor) -> Tensor:
    t, a = t.abs(), -0.5
    near = ((a + 2) * t - (a + 3)) * t.square() + 1
    return torch.where(t < 1, near, torch.where(t < 2, (((t - 5) * t + 8) * t - 4) * a, 0.0))


def _lanczos(t: Tensor) -> Tensor:
    return torch.where((t >= -3) & (t < 3), torch.sinc(t) * torch.sinc(t / 3), 0.0)


KERNELS = {"nearest": _box, "box": _box, "bilinear": _bilinear, "bicubic": _bicubic, "lanczos": _lanczos}
"""As in Pillow; ``nearest`` is the box that never grows with the step."""


def resampling(
    out: Float[Tensor, "B"],
    into: Float[Tensor, "B"],
    size: int,
    names: Sequence[str],
    which: Int64[Tensor, "B"],
    antialias: Bool[Tensor, "B"],
) -> Float[Tensor, "B n n"]:
    """Matrices that make ``out`` cells of ``into`` ones, as Pillow's ``resize`` does.

    Args:
        out: number of cells after; rows from there on are 0.
        into: number of cells before; columns from there on are 0.
        size: rows and columns of the matrices, n.
        names: kernels of ``KERNELS``.
        which: number in ``names`` of each sample's kernel.
        antialias: whether the kernel grows with the step between the new cells, so that no cell is skipped.

    >>> two, four = torch.tensor([2.0]), torch.tensor([4.0])
    >>> resampling(two, four, 4, ["box"], torch.tensor([0]), torch.tensor([True]))[0, :2]
    tensor([[0.5000, 0.5000, 0.0000, 0.0000],
            [0.0000, 0.0000, 0.5000, 0.5000]])
    """
    out, into = out.view(-1, 1, 1), into.view(-1, 1, 1)
    cells = torch.arange(size, device=out.device)
    new, old = cells.view(1, -1, 1), cells.view(1, 1, -1)
    away = old + 0.5 - (2 * new + 1) * into / (2 * out)
    wide = torch.where(antialias.view(-1, 1, 1), (into / out).clamp(min=1), 1.0)
    weight, scaled = torch.zeros_like(away), away / wide
    for i, name in enumerate(names):  # of all samples: a device would be waited for to say which are whose
        mine = (which == i).view(-1, 1, 1)
        weight = torch.where(mine, KERNELS[name](away if name == "nearest" else scaled), weight)
    weight.mul_((new < out) & (old < into))
    total = weight.sum(2, keepdim=True)
    return weight / torch.where(total == 0, 1.0, total)
