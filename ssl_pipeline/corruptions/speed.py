"""Speed: a sound that runs too fast or too slowly."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._resample import interpolate, place, take
from ssl_pipeline.corruptions._sound import (
    band_frequencies,
    band_of,
    check_sound,
    filtered,
    is_log_mel,
    is_wave,
    per_sample,
    without_padding,
)
from ssl_pipeline.corruptions._validation import interval
from ssl_pipeline.corruptions.base import Corruption, Range, severity_or
from ssl_pipeline.structures.batch import View
from ssl_pipeline.structures.grid import GridSpec

_FINER = 8  # linear interpolation between as many cells for one keeps 34 dB at the Nyquist frequency, more below


@register("corruption", "speed")
class Speed(Corruption):
    """A record at the wrong speed: tempo and pitch change together (speed perturbation,
    https://www.isca-archive.org/interspeech_2015/ko15_interspeech.html).

    The length stays: what is slower loses its end, what is faster is padded, ``valid`` says where. On log-mel grids
    frames and bands are read elsewhere, in proportion between two.

    Args:
        change: the sound runs 1 + change times as fast or as slowly, a number or an interval drawn from per sample.
        direction: ``faster``, ``slower`` or ``both``, which each sample draws one of.
        severity: 1 to 5, likewise, in place of ``change``: 0.03, 0.06, 0.12, 0.2 and 0.35. Both None: [1, 5].
        nyquist_hz: of log-mel grids only, which do not say it: half the rate of the sound behind them, in hertz.

    Raises:
        ValueError: neither waveforms nor log-mel; an option outside its bounds; an unknown direction; both ``change``
            and ``severity``.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> grid = GridSpec.of(("time", 6), channels=1, range=(-1.0, 1.0), signal=True)
    >>> view = clean_view(grid, torch.zeros(1, 1, 6))
    >>> view = Speed(change=1.0, direction="faster").bind(grid)(view, torch.Generator())
    >>> view.valid, view.source_coords[0, :3, 0], view.params["factor"]
    (tensor([[ True,  True,  True, False, False, False]]), tensor([0.5000, 2.5000, 4.5000]), tensor([2.]))
    """

    corruption_params = ("factor",)
    levels: ClassVar = {"change": (0.03, 0.06, 0.12, 0.2, 0.35)}

    def __init__(
        self,
        *,
        change: Range | None = None,
        direction: Literal["faster", "slower", "both"] = "both",
        severity: Range | None = None,
        nyquist_hz: float = 8000.0,
    ) -> None:
        self.severity = severity_or(severity, change=change)
        self.change = interval("change", 0.0 if change is None else change, 0.0, 4.0)
        if direction not in ("faster", "slower", "both"):
            raise ValueError(f"direction must be faster, slower or both, got {direction!r}: choose one of them")
        self.direction = direction
        self.nyquist_hz, _ = interval("nyquist_hz", nyquist_hz, 1.0, math.inf)

    @classmethod
    def suits(cls, grid: GridSpec) -> bool:
        return is_wave(grid) or is_log_mel(grid)

    def setup(self) -> None:
        """A sound is needed."""
        check_sound("speed", self.grid, log_mel=True)

    def __call__(self, view: View, generator: torch.Generator) -> View:
        x, batch, cells = view.x, view.x.shape[0], view.x.shape[-1]
        factor = 1 + self.drawn(batch, generator)["change"]
        slower = torch.rand(batch, generator=generator, device=x.device) < 0.5
        if self.direction != "both":
            slower = torch.full_like(slower, self.direction == "slower")
        factor = torch.where(slower, 1 / factor, factor)
        time = torch.arange(cells, device=x.device) * factor.unsqueeze(1)
        there = (time <= cells - 1 + 1e-3).view(batch, *[1] * (self.grid.ndim - 1), cells)
        still = [torch.arange(n, device=x.device).expand(batch, -1).float() for n in x.shape[2:-1]]
        lines = [*still, time]
        valid = there.expand(batch, *x.shape[2:])
        if view.valid is not None:
            valid = valid & take(view.valid, lines)
        out = self._bands(view, factor, time) if self.grid.log else self._wave(view, factor, time)
        return view._replace(
            x=torch.where(there.unsqueeze(1), out, self.grid.range[0] if self.grid.log else 0.0).to(x.dtype),
            source_coords=place(view.source_coords, lines),
            mask=None if view.mask is None else take(view.mask, lines),
            cell=None,
            visible=None,
            valid=valid,
            params={**view.params, "factor": factor},
        )

    def _wave(self, view: View, factor: Tensor, time: Float[Tensor, "B n"]) -> Float[Tensor, "B C n"]:
        """Band-limited: what a faster sound would have above the Nyquist frequency goes."""
        wave = without_padding(view.x, view.valid)
        fine, start = filtered(wave, torch.zeros_like(factor), (1 / factor).clamp(max=1.0), _FINER)
        where = time * _FINER + start
        index = where.long().unsqueeze(1).expand(-1, fine.shape[1], -1).clamp(max=fine.shape[-1] - 2)
        return torch.lerp(fine.gather(2, index), fine.gather(2, index + 1), (where % 1).unsqueeze(1))

    def _bands(self, view: View, factor: Tensor, time: Float[Tensor, "B n"]) -> Float[Tensor, "B C M n"]:
        """Each band reads that of its frequency before; above the Nyquist frequency there is nothing."""
        count = view.x.shape[2]
        frequency = band_frequencies(count, self.nyquist_hz, time.device)
        before = frequency / factor.unsqueeze(1)
        bands = band_of(before, count, self.nyquist_hz)
        silence = float(self.grid.range[0])
        x = view.x if view.valid is None else view.x.masked_fill(~view.valid.unsqueeze(1), silence)
        out = interpolate(x.float(), [bands, time]).masked_fill((before > 1)[:, None, :, None], silence)
        return torch.where(per_sample(factor, x) == 1, x, out)  # without what rounding does to its places
