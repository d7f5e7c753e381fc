"""What a user gives, made into tensors on a grid, or a sentence about why it cannot be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ssl_pipeline.data import Codec, Pixels
from ssl_pipeline.data.codecs.table import TableCodec
from ssl_pipeline.data.codecs.text import TextCodec
from ssl_pipeline.data.io.value_range import ValueRange
from ssl_pipeline.structures.grid import GridSpec

ON_AVERAGE = 0.25
"""How far values may lie outside the range, in widths of it. Noise of sigma 0.5 takes black there by 0.2 on average."""
WITHIN_ONE = 0.18
"""The same where none of ``ENOUGH`` lies further than one width: those of -1..1 end there, such noise goes on."""
ENOUGH = 256
AT_MOST = 4.0
"""Eight sigma of that noise, which none of a billion values reaches."""
CHUNK = 500
"""Samples that are looked at in one go, so that a large array is not copied."""


def tensor(given: object, what: str = "samples") -> Tensor:
    """An array of any byte order and strides, or a tensor, as a tensor.

    Raises:
        ValueError: neither, or not of numbers.

    >>> tensor(np.arange(3, dtype=">f4")[::-1])
    tensor([2., 1., 0.])
    """
    if isinstance(given, Tensor):
        return given
    if not isinstance(given, np.ndarray) or given.dtype.kind not in "biufc":
        found = f"array of {given.dtype}" if isinstance(given, np.ndarray) else type(given).__name__
        raise ValueError(f"expected {what} as an array or tensor of numbers, got {found}: convert it")
    return torch.from_numpy(np.require(given, given.dtype.newbyteorder("="), ["C", "W"]))


def samples(given: Any, codec: Codec | None, grid: GridSpec) -> tuple[Tensor, Tensor | None]:
    """Samples in one tensor, and which cells are real where the codec finds that out; one raw thing is a list of one.

    Texts take the length of the grid, for some corruptions make them longer than the clean ones. Rows (B, F) of a table
    are in the units of its columns.

    Raises:
        ValueError: there is no codec to read such things, or it does not read them; arrays of several shapes.
    """
    if isinstance(given, (Tensor, np.ndarray)):
        x = tensor(given)
        return codec.encode(x) if isinstance(codec, TableCodec) and x.ndim == 2 else (x, None)
    if codec is None:
        raise ValueError(
            f"expected samples as one array or tensor, got a {type(given).__name__}: stack or convert them, "
            f"for this run's data have no codec that does"
        )
    raw = given if isinstance(given, (list, tuple)) else [given]
    if not isinstance(codec, Pixels) or not raw or not all(isinstance(one, (Tensor, np.ndarray)) for one in raw):
        return (codec.resized(*grid.shape) if isinstance(codec, TextCodec) else codec).encode(raw)
    arrays = [tensor(one) for one in raw]
    if other := [one for one in arrays if (one.shape, one.dtype) != (arrays[0].shape, arrays[0].dtype)]:
        found = " and ".join(f"{tuple(one.shape)} {one.dtype}" for one in (arrays[0], other[0]))
        raise ValueError(f"expected images of one shape and type, got {found}: resize or convert them")
    return torch.stack(arrays), None


def check_lies_on(x: Tensor, grid: GridSpec) -> None:
    """Refuse samples that do not lie on a grid.

    Raises:
        ValueError: another number of axes, cells or channels, or another type; says what to do.
    """
    wanted = grid.shape if grid.discrete else (grid.width, *grid.shape)
    if x.ndim != len(wanted) + 1 or tuple(x.shape[1:]) != wanted:
        advice = "resize or reshape them"
        if x.ndim == len(wanted) + 1 and not grid.discrete and tuple(x.shape[2:]) == grid.shape:
            is_grey = x.shape[1] == 1
            advice = f"repeat the channel {grid.width} times" if is_grey else f"mix them down to {grid.width}"
        raise ValueError(
            f"expected samples of shape ({', '.join(['B', *map(str, wanted)])}), got {tuple(x.shape)}: {advice}"
        )
    if not grid.discrete and not x.is_floating_point() and x.dtype != torch.uint8:
        raise ValueError(f"expected uint8 or floats in {grid.range}, got {x.dtype}: convert them")
    if grid.discrete and (x.is_floating_point() or x.is_complex()):
        raise ValueError(f"expected symbols as int64, got {x.dtype}: convert them")


def truths(name: str, given: object, x: Tensor, grid: GridSpec) -> Tensor:
    """One truth for each cell of each sample, (B, *grid) bool.

    Args:
        name: of the argument.
        given: such, or 0 and 1 as uint8, also as (B, 1, *grid); or (*grid), which holds for all samples.
        x: the samples.
        grid: theirs.

    Raises:
        ValueError: something else.
    """
    wanted, some = (x.shape[0], *x.shape[-grid.ndim :]), tensor(given, name)
    if some.ndim == grid.ndim + 2 and some.shape[1] == 1:
        some = some.squeeze(1)
    if some.ndim == grid.ndim and tuple(some.shape) == wanted[1:]:  # in this order: an export leaves B open
        some = some.expand(wanted)
    binary = some.dtype == torch.bool or (some.dtype == torch.uint8 and not (some > 1).any())
    if tuple(some.shape) != wanted or not binary:
        advice = f"one truth a cell, or one mask {wanted[1:]} for all" if binary else f"pass {name} > 0"
        found = f"{tuple(some.shape)} {some.dtype}"
        raise ValueError(f"expected {name} of shape {wanted} and bool, got {found}: {advice}")
    return some.bool()


def number(name: str, given: Any, count: int) -> Tensor:
    """A parameter of each sample, (B,).

    Raises:
        ValueError: not one finite number, or one for each sample.

    >>> number("factor", 2, count=3)
    tensor([2., 2., 2.])
    """
    wanted = f"expected {name} as one finite number or {count}, one a sample"
    try:
        some = torch.as_tensor(given, dtype=torch.float32).cpu()
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{wanted}, got {given!r}: pass numbers") from None
    if some.ndim and tuple(some.shape) != (count,):
        raise ValueError(f"{wanted}, got an array of shape {tuple(some.shape)}: pass as many as there are samples")
    if not some.isfinite().all():
        raise ValueError(f"{wanted}, got {float(some[~some.isfinite()][0])}: pass finite ones")
    return some.expand(count)


def parameters(to: str, names: Sequence[str], corruption_params: Mapping[str, Any], count: int) -> dict[str, Tensor]:
    """Parameters (B, k) of the corruption that samples are to have; nothing where it has none.

    Raises:
        ValueError: one too few or too many, or one that is no finite number.
    """
    if set(corruption_params) != set(names):
        raise ValueError(
            f"a translation to {to} takes {', '.join(f'{name}=...' for name in names) or 'nothing'}, "
            f"got {', '.join(corruption_params) or 'nothing'}: give all of them, and no others"
        )
    return (
        {"corruption_params": torch.stack([number(name, corruption_params[name], count) for name in names], dim=1)}
        if names
        else {}
    )


def check_corruption_params(to: str, names: Sequence[str], corruption_params: Tensor | None) -> None:
    """Refuse to make samples of a corruption without its parameters.

    Raises:
        ValueError: it has some, and they are not given.
    """
    if names and corruption_params is None:
        raise ValueError(f"a sample of view {to} takes {', '.join(names)}: pass corruption_params, (B, k)")


def plausible(
    x: Tensor,
    grid: GridSpec,
    mask: Tensor | None = None,
    far: Sequence[float] = (0.0, 0.0),
    codec: Codec | None = None,
) -> None:
    """Refuse values that are not finite, or clearly of another range; values under a mask do not count.

    Noise takes values outside the range, so they are judged by how far they lie outside it on average and at most.

    Args:
        x: samples on the grid.
        grid: theirs.
        mask: (B, *grid) bool, True = hidden.
        far: how far their corruption takes values, see ``outside_range``; more than usual is let through.
        codec: what they were read with, which knows the columns of a table.

    Raises:
        ValueError: such values; names the range that was found. Bytes, where files hold values of a range.
    """
    ranged = codec.range if isinstance(codec, Pixels) and codec.grid == grid else None
    if ranged is not None and x.dtype == torch.uint8:
        raise ValueError(f"expected floats from 0 to 1, got uint8: {_scaling(ranged)}")
    if x.dtype == torch.uint8 and not grid.discrete:
        return
    if mask is not None:
        x = hidden(x, mask, grid)
    if not x.numel():
        return
    if not grid.discrete and not (finite := x.isfinite().flatten(1).all(1)).all():
        where = "finite values" if mask is None else "finite values outside the mask"
        raise ValueError(f"expected {where}, got NaN or infinity in sample {int((~finite).nonzero()[0])}: repair it")
    low, high = float(x.min()), float(x.max())
    if grid.vocab is not None:
        if low < 0 or high >= grid.vocab:
            raise ValueError(
                f"expected symbols from 0 to {grid.vocab - 1}, got {low:.0f} to {high:.0f}: use the run's own codec"
            )
        return
    means, mosts = outside_range(x, grid)
    seen = 1.0 if mask is None else max(float((~mask).float().mean()), 1e-9)
    mean, most = float(means.mean()) / seen, float(mosts.max())
    limit = WITHIN_ONE if most <= 1 and x.numel() >= ENOUGH else ON_AVERAGE
    if mean > max(limit, far[0]) or most > max(AT_MOST, far[1]):
        if isinstance(codec, TableCodec) and (why := codec.far_off(x)):
            raise ValueError(why)
        advice = "pass uint8, or divide by 255" if grid.range == (0, 1) and low >= 0 else "bring them into this range"
        advice = advice if ranged is None else _scaling(ranged)
        raise ValueError(f"expected floats in {grid.range}, got {low:g} to {high:g}: {advice}")


def _scaling(bounds: ValueRange) -> str:
    low, high = bounds
    how = f"pass such files or PIL images, or (x - {low:g}) / {high - low:g}"
    return f"this model's files hold {low:g} to {high:g}; {how}"


def hidden(x: Tensor, mask: Tensor, grid: GridSpec) -> Tensor:
    """Samples with the least value, or symbol 0, under their mask."""
    return x.masked_fill(mask, 0) if grid.discrete else x.masked_fill(mask.unsqueeze(1), grid.range[0])


def outside_range(x: Tensor, grid: GridSpec) -> tuple[Tensor, Tensor]:
    """How far a sample's values lie outside the range, in widths of it, on average and at most: twice (B,).

    >>> grid = GridSpec.of(("x", 4), channels=1)
    >>> [float(one) for one in outside_range(torch.tensor([[[-0.5, 0.5, 1.0, 1.5]]]), grid)]
    [0.25, 0.5]
    """
    low, high = grid.range
    parts = []
    for some in x.split(CHUNK):
        distance = (some.float() - some.float().clamp(low, high)).abs().flatten(1) / (high - low)
        parts.append(torch.stack([distance.mean(1), distance.amax(1)]))
    mean, most = torch.cat(parts, dim=1)
    return mean, most
