"""Noise: Gaussian on a continuous grid, wrong tokens on a discrete one."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from ssl_pipeline.corruptions._options import interval
from ssl_pipeline.corruptions.base import Corruption, Range, draw
from ssl_pipeline.grid import GridSpec
from ssl_pipeline.records import View


def gaussian(
    x: Float[Tensor, "B C *grid"], sigma: Float[Tensor, "B"], generator: torch.Generator
) -> Float[Tensor, "B C *grid"]:
    """``x + sigma * n`` with n standard normal. Not clamped, so that the noise has zero mean at every value."""
    noise = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
    return torch.addcmul(x, noise, sigma.to(x.dtype).view(-1, *[1] * (x.ndim - 1)))


def replace_tokens(
    x: Int64[Tensor, "B *grid"],
    chosen: Bool[Tensor, "B *grid"],
    vocab: int,
    avoid: int | None,
    generator: torch.Generator,
) -> Int64[Tensor, "B *grid"]:
    """Uniformly random tokens at the chosen places, never ``avoid`` (a mask token would tell where they are)."""
    symbols = vocab if avoid is None else vocab - 1
    wrong = torch.randint(symbols, x.shape, generator=generator, device=x.device)
    if avoid is not None:
        wrong = wrong + (wrong >= avoid)
    return torch.where(chosen, wrong, x)


class Noise(Corruption):
    """Denoising autoencoders, https://www.jmlr.org/papers/v11/vincent10a.html; token replacement as in BERT.

    Args:
        grid: grid of the views; ``sigma`` applies where it is continuous, ``ratio`` where it is discrete.
        sigma: standard deviation in data units, a number or an interval drawn from per sample.
        ratio: probability that a token is replaced, likewise; holes and padding keep theirs.

    Raises:
        ValueError: a negative ``sigma``; a ``ratio`` outside 0 to 1.

    >>> from ssl_pipeline.records import clean_view
    >>> grid = GridSpec.of(("y", 4), ("x", 4), channels=1)
    >>> view = Noise(grid=grid, sigma=0.2)(clean_view(grid, torch.rand(2, 1, 4, 4)), torch.Generator())
    >>> view.params["sigma"]
    tensor([0.2000, 0.2000])
    """

    def __init__(self, *, grid: GridSpec, sigma: Range = (0.0, 0.5), ratio: Range = 0.15) -> None:
        super().__init__(grid)
        self.sigma = interval("sigma", sigma, 0.0, math.inf)
        self.ratio = interval("ratio", ratio, 0.0, 1.0)

    @property
    def told(self) -> tuple[str, ...]:
        return ("ratio",) if self.grid.discrete else ("sigma",)

    def __call__(self, view: View, generator: torch.Generator) -> View:
        batch = view.x.shape[0]
        if self.grid.vocab is None:
            sigma = draw(self.sigma, batch, generator)
            return view._replace(x=gaussian(view.x, sigma, generator), params={**view.params, "sigma": sigma})
        ratio = draw(self.ratio, batch, generator)
        luck = torch.rand(view.x.shape, generator=generator, device=view.x.device)
        chosen = luck < ratio.view(-1, *[1] * self.grid.ndim)
        if view.removed is not None:
            chosen = chosen & ~view.removed
        if view.valid is not None:
            chosen = chosen & view.valid
        x = replace_tokens(view.x, chosen, self.grid.vocab, self.grid.mask_token, generator)
        return view._replace(x=x, params={**view.params, "ratio": ratio})
