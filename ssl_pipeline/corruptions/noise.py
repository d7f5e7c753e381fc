"""Noise: Gaussian on a continuous grid, wrong tokens on a discrete one."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._snr import added_at_snr, coloured, log_noise
from ssl_pipeline.corruptions._tokens import replace_tokens
from ssl_pipeline.corruptions._validation import interval
from ssl_pipeline.corruptions.base import Corruption, Range, draw, severity_or
from ssl_pipeline.structures.batch import View
from ssl_pipeline.structures.grid import GridSpec

_LEVELS = {
    "sigma": (0.08, 0.12, 0.18, 0.26, 0.38),
    "snr_db": (20.0, 15.0, 10.0, 5.0, 0.0),
    "ratio": (0.05, 0.1, 0.15, 0.25, 0.4),
}


def gaussian(x: Float[Tensor, "B C *grid"], generator: torch.Generator) -> Float[Tensor, "B C *grid"]:
    """Standard normal numbers of the shape and type of ``x``."""
    return torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)


@register("corruption", "noise")
class Noise(Corruption):
    """Denoising autoencoders, https://www.jmlr.org/papers/v11/vincent10a.html; token replacement as in BERT.

    With ``snr_db`` a silent sample stays silent and padding stays as it is. ``severity`` is that of Gaussian noise in
    https://arxiv.org/abs/1903.12261; on signals and logarithms 20 to 0 dB, of tokens 5 to 40 % are wrong.

    Args:
        sigma: standard deviation in data units, a number or an interval drawn from per sample; as ``snr_db`` and
            ``colour`` it applies where the grid is continuous.
        snr_db: power of the sample over that of the noise in decibels, likewise. On a grid of logarithms the noise
            adds as power; elsewhere than there and on signals the sample's power is its variance. Where neither
            ``sigma`` nor ``snr_db`` is given, signals and logarithms take ``snr_db`` from 0 to 20, other grids
            ``sigma`` from 0 to 0.5.
        colour: exponent a of a power spectrum 1/f^a along the last axis, likewise: 0 white, 1 pink, 2 brown. With
            ``snr_db`` on a grid of logarithms: of the fall along the first axis, band by band.
        ratio: on a discrete grid, probability that a token is replaced, likewise; mask and padding keep theirs; None:
            0.15.
        severity: 1 to 5, a number or an interval, in place of ``sigma``, ``snr_db`` and ``ratio``.

    Raises:
        ValueError: an option outside its bounds; two of ``sigma``, ``snr_db`` and ``severity``.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("y", 4), ("x", 4), channels=1)
    >>> view = Noise(sigma=0.2).bind(grid)(clean_view(grid, torch.rand(2, 1, 4, 4)), torch.Generator())
    >>> view.params["sigma"]
    tensor([0.2000, 0.2000])
    >>> Noise().bind(GridSpec.of(("time", 8), channels=1, range=(-1.0, 1.0), signal=True)).corruption_params
    ('snr_db',)
    """

    def __init__(
        self,
        *,
        sigma: Range | None = None,
        snr_db: Range | None = None,
        colour: Range = 0.0,
        ratio: Range | None = None,
        severity: Range | None = None,
    ) -> None:
        if sigma is not None and snr_db is not None:
            raise ValueError(f"noise takes one of sigma and snr_db, got sigma={sigma}, snr_db={snr_db}: leave one null")
        self.sigma = None if sigma is None else interval("sigma", sigma, 0.0, math.inf)
        self.snr_db = None if snr_db is None else interval("snr_db", snr_db, -100.0, 100.0)
        self.colour = interval("colour", colour, -4.0, 4.0)
        self.severity = severity_or(severity, None, sigma=sigma, snr_db=snr_db, ratio=ratio)
        self.ratio = interval("ratio", 0.15 if ratio is None else ratio, 0.0, 1.0)

    @classmethod
    def suits(cls, grid: GridSpec) -> bool:
        return True

    def setup(self) -> None:
        """How strong the noise is where that is not given."""
        if self.sigma is None and self.snr_db is None:
            signal = self.grid.signal or self.grid.log
            self.sigma, self.snr_db = (None, (0.0, 20.0)) if signal else ((0.0, 0.5), None)

    @property
    def levels(self) -> dict[str, tuple[float, ...]]:  # pyright: ignore[reportIncompatibleVariableOverride]
        name = self.corruption_params[0]
        size = self.grid.range[1] - self.grid.range[0] if name == "sigma" else 1.0
        return {name: tuple(size * level for level in _LEVELS[name])}

    @property
    def corruption_params(self) -> tuple[str, ...]:
        return ("ratio",) if self.grid.discrete else ("sigma",) if self.snr_db is None else ("snr_db",)

    def __call__(self, view: View, generator: torch.Generator) -> View:
        name, act = self.corruption_params[0], self._wrong if self.grid.discrete else self._noisy
        strength = self.drawn(view.x.shape[0], generator)[name]
        return view._replace(x=act(view, strength, generator), params={**view.params, name: strength})

    def _noisy(self, view: View, strength: Tensor, generator: torch.Generator) -> Tensor:
        x, white = view.x, self.colour == (0.0, 0.0)
        colour = x.new_zeros(x.shape[0]) if white else draw(self.colour, x.shape[0], generator)
        if self.snr_db is not None and self.grid.log:
            return added_at_snr(x, log_noise(x, colour, generator), strength, self.grid, view.valid, view.valid)
        noise = gaussian(x, generator)
        if not white:
            noise = coloured(noise, colour).to(x.dtype)
        if self.snr_db is not None:
            return added_at_snr(x, noise, strength, self.grid, view.valid, view.valid)
        return torch.addcmul(x, noise, strength.to(x.dtype).view(-1, *[1] * (x.ndim - 1)))

    def _wrong(self, view: View, ratio: Tensor, generator: torch.Generator) -> Tensor:
        luck = torch.rand(view.x.shape, generator=generator, device=view.x.device)
        chosen = luck < ratio.view(-1, *[1] * self.grid.ndim)
        if view.mask is not None:
            chosen = chosen & ~view.mask
        if view.valid is not None:
            chosen = chosen & view.valid
        if self.grid.end_token is not None:  # it says where the text ends, not what it says
            chosen = chosen & (view.x != self.grid.end_token)
        return replace_tokens(view.x, chosen, self.grid, generator)
