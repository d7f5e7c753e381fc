"""Reading a grid elsewhere than at its cells: at real-valued indices of each sample's own, or in blocks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor

Lines = list[Float[Tensor, "B _"]]
"""Per axis, the index in the input (cell centres are integers) that each output cell is read at."""


def interpolate(x: Float[Tensor, "B C *grid"], lines: Lines) -> Float[Tensor, "B C *out"]:
    """Linear interpolation along one to three axes; beyond the grid its border continues.

    >>> x = torch.tensor([[[0.0, 1.0, 2.0]]])
    >>> interpolate(x, [torch.tensor([[0.5, 1.0, 9.0]])])
    tensor([[[0.5000, 1.0000, 2.0000]]])
    """
    if len(lines) == 1:  # grid_sample starts at two axes
        return interpolate(x.unsqueeze(2), [torch.zeros_like(lines[0][:, :1]), *lines]).squeeze(2)
    dtype = torch.promote_types(x.dtype, torch.float32)  # half precision cannot tell the places of a long axis apart
    size = [line.shape[1] for line in lines]
    unit = [(2 * line.to(dtype) + 1) / n - 1 for line, n in zip(lines, x.shape[2:], strict=True)]
    spread = [along(line, dim, len(lines)).expand(-1, *size) for dim, line in enumerate(unit)]
    where = torch.stack(spread[::-1], dim=1).movedim(1, -1)  # grid_sample wants the last axis first
    return F.grid_sample(x.to(dtype), where, padding_mode="border", align_corners=False).to(x.dtype)


def pooled(x: Float[Tensor, "B C *grid"], factor: Sequence[int]) -> Float[Tensor, "B C *coarse"]:
    """Means of blocks of ``factor`` cells.

    >>> pooled(torch.tensor([[[0.0, 1.0, 2.0, 4.0]]]), [2])
    tensor([[[0.5000, 3.0000]]])
    """
    for dim, k in enumerate(factor, start=2):
        if k > 1:
            x = x.unflatten(dim, (-1, k)).mean(dim + 1)
    return x


def take(x: Shaped[Tensor, "B ..."], lines: Lines) -> Shaped[Tensor, "B ..."]:
    """The nearest cell along the last ``len(lines)`` axes: for tokens, holes and padding.

    >>> take(torch.tensor([[7, 8, 9]]), [torch.tensor([[2.0, 0.9]])])
    tensor([[9, 8]])
    """
    channels = x.ndim - 1 - len(lines)
    for dim, line in enumerate(lines, start=channels):
        index = along(line.round().long().clamp(0, x.shape[dim + 1] - 1), dim, x.ndim - 1)
        x = x.gather(dim + 1, index.expand(*x.shape[: dim + 1], -1, *x.shape[dim + 2 :]))
    return x


def place(origin: Float[Tensor, "#B *grid n"], lines: Lines) -> Float[Tensor, "B *out n"]:
    """Where the cells read at ``lines`` lie in the clean sample.

    ``origin`` is affine in the index (flips, windows and strides are), so that its corner and its step along each
    axis give every place, between the cells and beyond them.

    >>> place(torch.tensor([[[0.5], [1.5], [2.5]]]), [torch.tensor([[-0.25, 0.25]])]).flatten()
    tensor([0.2500, 0.7500])
    """
    ndim = len(lines)
    first = [slice(0, 1)] * ndim
    origin = origin.movedim(-1, 1)  # coordinates first: sums over long rows are several times as fast
    corner = origin[(slice(None), slice(None), *first)]
    where = corner
    for dim, line in enumerate(lines):
        last = origin.shape[dim + 2] - 1
        far = origin[(slice(None), slice(None), *first[:dim], slice(last, last + 1), *first[dim + 1 :])]
        where = where + along(line, dim, ndim).unsqueeze(1) * ((far - corner) / max(last, 1))
    return where.movedim(1, -1)


def along(line: Shaped[Tensor, "B k"], dim: int, ndim: int) -> Shaped[Tensor, "B *ones"]:
    """``line`` laid along one of ``ndim`` axes, to broadcast over the others."""
    return line.view(line.shape[0], *[1] * dim, line.shape[1], *[1] * (ndim - dim - 1))
