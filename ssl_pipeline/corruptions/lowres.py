"""LowRes: detail is averaged away, the grid stays."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._resample import band_limited, pooled
from ssl_pipeline.corruptions._validation import axis_dims, divisor
from ssl_pipeline.corruptions.base import Corruption
from ssl_pipeline.structures.batch import View

Upsample = Literal["sinc", "linear", "nearest", "hold"]
_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def coarsened(x: Float[Tensor, "B C *grid"], factor: tuple[int, ...], upsample: Upsample) -> Float[Tensor, "B C *grid"]:
    """Average over blocks of ``factor`` places, then interpolate back to the same grid; ``sinc`` does both at once.

    ``hold`` does not average: the first place of a block stands for all of it.
    """
    if upsample == "hold":
        return repeat_every(x, (1, *factor))
    if upsample == "sinc":
        for dim, k in enumerate(factor, start=2):
            x = band_limited(x, dim, k)
        return x
    mode = _LINEAR[len(factor)] if upsample == "linear" else "nearest"
    return F.interpolate(pooled(x, factor), size=x.shape[2:], mode=mode)


def repeat_every(x: Shaped[Tensor, "B *axes"], factor: tuple[int, ...]) -> Shaped[Tensor, "B *axes"]:
    """Keep every ``factor``-th place along each axis and repeat it."""
    for dim, k in enumerate(factor, start=1):
        kept = torch.arange(x.shape[dim], device=x.device) // k * k
        x = x.index_select(dim, kept)
    return x


@register("corruption", "lowres")
class LowRes(Corruption):
    """Super-resolution's forward operator; on a discrete grid every k-th token, repeated. Masks stay where they are.

    Args:
        factor: how many times coarser: an integer, a tuple with one per axis, or a list of such choices of which
            each sample draws one. Must divide the grid. ``params["factor"]`` is the geometric mean over ``axes``.
        axes: names of the axes that lose resolution; None: all of them.
        upsample: way there and back to the grid: block means and ``linear`` or ``nearest`` interpolation; ``hold``,
            where the first place of a block is repeated (along time: frames are dropped); or ``sinc``, which cuts off
            what is above the coarser grid's Nyquist frequency. None: ``sinc`` on signals, else ``linear``.

    Raises:
        ValueError: a factor that does not divide its axis; an unknown axis; more than three axes.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("time", 4), channels=1)
    >>> view = clean_view(grid, torch.tensor([[[0.0, 1.0, 0.5, 0.5]]]))
    >>> LowRes(factor=2, upsample="nearest").bind(grid)(view, torch.Generator()).x
    tensor([[[0.5000, 0.5000, 0.5000, 0.5000]]])
    """

    corruption_params = ("factor",)

    def __init__(
        self,
        *,
        factor: int | tuple[int, ...] | list = 2,
        axes: Sequence[str] | None = None,
        upsample: Upsample | None = None,
    ) -> None:
        if upsample is not None and upsample not in get_args(Upsample):
            kinds = ", ".join(get_args(Upsample))
            raise ValueError(f"upsample must be one of {kinds}, got {upsample!r}: choose one of them or null")
        choices = factor if isinstance(factor, list) else [factor]
        if not choices:
            raise ValueError("factor needs at least one choice, got an empty list: give an integer such as 2")
        self.choices, self.axes = choices, axes
        self.way: Upsample | None = upsample

    def setup(self) -> None:
        """The factors of each axis."""
        grid = self.grid
        if not grid.discrete and grid.ndim not in _LINEAR:
            raise ValueError(f"lowres takes one to three axes, got {grid.names}: fold some of them into the channels")
        coarse = axis_dims(self.axes, grid, default=grid.names)
        self.factors = [self._per_axis(choice, coarse) for choice in self.choices]
        self.strengths = [prod(f) ** (1 / len(coarse)) for f in self.factors]
        self.upsample: Upsample = self.way or ("sinc" if grid.signal else "linear")

    def _per_axis(self, choice: int | Sequence[int], coarse: tuple[int, ...]) -> tuple[int, ...]:
        sides = tuple(choice) if isinstance(choice, Sequence) else (choice,) * self.grid.ndim
        if len(sides) == self.grid.ndim:
            sides = tuple(k if dim in coarse else 1 for dim, k in enumerate(sides, start=-self.grid.ndim))
        return divisor("factor", sides, self.grid)

    def __call__(self, view: View, generator: torch.Generator) -> View:
        x, batch = view.x, view.x.shape[0]
        choice = torch.randint(len(self.factors), (batch,), generator=generator, device=x.device)
        coarse = self._coarser(x, self.factors[0])
        strength = torch.full((batch,), self.strengths[0], device=x.device)
        for i in range(1, len(self.factors)):
            mine = choice == i
            coarse = torch.where(mine.view(-1, *[1] * (x.ndim - 1)), self._coarser(x, self.factors[i]), coarse)
            strength = torch.where(mine, self.strengths[i], strength)
        return view._replace(x=coarse, params={**view.params, "factor": strength})

    def _coarser(self, x: Tensor, factor: tuple[int, ...]) -> Tensor:
        if max(factor) == 1:
            return x
        return repeat_every(x, factor) if self.grid.discrete else coarsened(x, factor, self.upsample)
