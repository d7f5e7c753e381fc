"""BandLimit: high and low frequencies of a sound are lost."""

from __future__ import annotations

import math
from typing import ClassVar

import torch

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._sound import (
    band_frequencies,
    band_gain,
    check_sound,
    filtered,
    is_log_mel,
    is_wave,
    log_of,
    power_of,
    without_padding,
)
from ssl_pipeline.corruptions._validation import interval
from ssl_pipeline.corruptions.base import Corruption, Range, severity_or
from ssl_pipeline.structures.batch import View
from ssl_pipeline.structures.grid import GridSpec


@register("corruption", "band_limit")
class BandLimit(Corruption):
    """What narrow channels leave of a sound (bandwidth extension, https://arxiv.org/abs/1708.00853).

    A filter without delay takes all above ``high`` and below ``low``. On log-mel grids the bands outside fall to the
    least value of the grid.

    Args:
        high: highest frequency that is left, as a share of the Nyquist frequency (half the rate), a number or an
            interval drawn from per sample; 1 takes nothing away. None where ``low`` is given: 1.
        low: lowest frequency that is left, likewise; None where ``high`` is given: 0.
        severity: 1 to 5, likewise, in place of both: ``high`` 0.8, 0.6, 0.45, 0.3 and 0.2; from 4 on ``low`` rises to
            0.075, at a rate of 8 kHz the 300 Hz at which telephones begin. All None: [1, 5].
        nyquist_hz: of log-mel grids only, which do not say it: half the rate of the sound behind them, in hertz.

    Raises:
        ValueError: neither waveforms nor log-mel; an option outside its bounds; ``severity`` and another one.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> grid = GridSpec.of(("time", 8), channels=1, range=(-1.0, 1.0), signal=True)
    >>> x = torch.tensor([0.8, 0.4] * 4).view(1, 1, 8)
    >>> BandLimit(high=0.5).bind(grid)(clean_view(grid, x), torch.Generator()).x[..., 2:6].round(decimals=1)
    tensor([[[0.6000, 0.6000, 0.6000, 0.6000]]])
    """

    corruption_params = ("high", "low")
    levels: ClassVar = {"high": (0.8, 0.6, 0.45, 0.3, 0.2), "low": (0.0, 0.0, 0.0, 0.04, 0.075)}

    def __init__(
        self,
        *,
        high: Range | None = None,
        low: Range | None = None,
        severity: Range | None = None,
        nyquist_hz: float = 8000.0,
    ) -> None:
        self.severity = severity_or(severity, high=high, low=low)
        self.high = interval("high", 1.0 if high is None else high, 0.01, 1.0)
        self.low = interval("low", 0.0 if low is None else low, 0.0, 0.9)
        self.nyquist_hz, _ = interval("nyquist_hz", nyquist_hz, 1.0, math.inf)

    @classmethod
    def suits(cls, grid: GridSpec) -> bool:
        return is_wave(grid) or is_log_mel(grid)

    def setup(self) -> None:
        """A sound is needed."""
        check_sound("band_limit", self.grid, log_mel=True)

    def __call__(self, view: View, generator: torch.Generator) -> View:
        params, x = self.drawn(len(view.x), generator), view.x
        if self.grid.log:
            frequency = band_frequencies(x.shape[2], self.nyquist_hz, x.device)
            gain = band_gain(frequency, params["low"], params["high"])[:, None, :, None]
            x = log_of(power_of(x, self.grid) * gain.square(), self.grid)
        else:
            wave, start = filtered(without_padding(x, view.valid), params["low"], params["high"])
            x = wave[..., start : start + x.shape[-1]]
        return view._replace(x=x.to(view.x.dtype), params={**view.params, **params})
