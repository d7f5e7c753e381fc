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


def band_limited(x: Float[Tensor, "B C *grid"], dim: int, factor: int) -> Float[Tensor, "B C *grid"]:
    """What a ``factor`` times coarser grid can hold along one dimension: windowed-sinc resampling there and back.

    The two filters are one, so that length and phase stay. What is above the coarser Nyquist frequency falls by more
    than 60 dB, what is below 0.88 of it is kept; the border continues.

    >>> waves = torch.cos(torch.tensor([0.05, 0.3]).view(2, 1, 1) * 2 * torch.pi * torch.arange(400))
    >>> band_limited(waves, dim=2, factor=2)[..., 100:300].square().mean(2).flatten().round(decimals=2)
    tensor([0.5000, 0.0000])
    """
    if factor == 1:
        return x
    cells, radius = x.shape[dim], 32 * factor  # zeros of the sinc on either side
    inside = torch.arange(-radius, cells + radius, device=x.device).clamp(0, cells - 1)
    padded = x.index_select(dim, inside).movedim(dim, -1).float()
    tap = torch.arange(-radius, radius + 1, device=x.device)
    window = torch.kaiser_window(2 * radius + 1, periodic=False, beta=6.0, device=x.device)
    kernel = torch.sinc(0.94 / factor * tap) * window
    size = padded.shape[-1]
    response = torch.fft.rfft(kernel / kernel.sum(), n=size) * torch.fft.rfft(padded)
    # the kernel starts at its first tap: its middle lies a radius later, the sample's first cell another one
    return torch.fft.irfft(response, n=size)[..., 2 * radius :].movedim(-1, dim).to(x.dtype)


def take(x: Shaped[Tensor, "B ..."], lines: Lines) -> Shaped[Tensor, "B ..."]:
    """The nearest cell along the last ``len(lines)`` axes: for tokens, masks and padding.

    >>> take(torch.tensor([[7, 8, 9]]), [torch.tensor([[2.0, 0.9]])])
    tensor([[9, 8]])
    """
    channels = x.ndim - 1 - len(lines)
    for dim, line in enumerate(lines, start=channels):
        index = along(line.round().long().clamp(0, x.shape[dim + 1] - 1), dim, x.ndim - 1)
        x = x.gather(dim + 1, index.expand(*x.shape[: dim + 1], -1, *x.shape[dim + 2 :]))
    return x


def place(source_coords: Float[Tensor, "#B *grid n"], lines: Lines) -> Float[Tensor, "B *out n"]:
    """Where the cells read at ``lines`` lie in the clean sample.

    Where all samples share ``source_coords``, a coordinate changes along its own axis only (whatever is flipped or cut
    is so as a whole), so that one line per axis gives every place: between two cells in proportion, beyond the border
    as the last step. A sample with coordinates of its own may have been turned.

    >>> place(torch.tensor([[[0.5], [1.5], [2.5]]]), [torch.tensor([[-0.25, 0.25]])]).flatten()
    tensor([0.2500, 0.7500])
    """
    if len(source_coords) > 1 and len(lines) > 1:
        return _place_turned(source_coords, lines)
    ndim, found = len(lines), []
    for dim, line in enumerate(lines):
        others = [slice(None) if axis == dim else 0 for axis in range(ndim)]
        known = source_coords[(slice(None), *others, dim)]
        index = line.floor().long().clamp(0, max(known.shape[1] - 2, 0))
        known = known.expand(line.shape[0], -1)
        first, second = known.gather(1, index), known.gather(1, (index + 1).clamp(max=known.shape[1] - 1))
        found.append(along(torch.lerp(first, second, line - index), dim, ndim))
    return torch.stack(torch.broadcast_tensors(*found), dim=1).movedim(1, -1)  # a coordinate is written in one go


def _place_turned(source_coords: Float[Tensor, "B *grid n"], lines: Lines) -> Float[Tensor, "B *out n"]:
    """``place`` along one axis after the other, for coordinates that may change along any of them."""
    found = source_coords
    for dim, line in enumerate(lines):
        shape = [len(line), *[1] * dim, line.shape[1], *[1] * (found.ndim - dim - 2)]
        wide = [*found.shape[: dim + 1], line.shape[1], *found.shape[dim + 2 :]]
        index = line.floor().long().clamp(0, max(found.shape[dim + 1] - 2, 0))
        step = (index + 1).clamp(max=found.shape[dim + 1] - 1)
        first, second = (found.gather(dim + 1, one.view(shape).expand(wide)) for one in (index, step))
        found = torch.lerp(first, second, (line - index).view(shape))
    return found


def along(line: Shaped[Tensor, "B k"], dim: int, ndim: int) -> Shaped[Tensor, "B *ones"]:
    """``line`` laid along one of ``ndim`` axes, to broadcast over the others."""
    return line.view(line.shape[0], *[1] * dim, line.shape[1], *[1] * (ndim - dim - 1))
