"""Hum: the mains sound through."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._snr import added_at_snr
from ssl_pipeline.corruptions._sound import check_sound, frames_a_second, is_wave
from ssl_pipeline.corruptions._validation import interval
from ssl_pipeline.corruptions.base import Corruption, Range, severity_or
from ssl_pipeline.structures.batch import View
from ssl_pipeline.structures.grid import GridSpec


@register("corruption", "hum")
class Hum(Corruption):
    """A tone of the mains and its harmonics, of random phases and strengths that fall with their number, as recordings
    of sound (https://www.iec.ch/world-plugs: 50 or 60 Hz) and of bodies (ECG, EEG) have it.

    Waveforms only: a log-mel grid does not say which of its bands holds the tone.

    Args:
        frequency: of the mains in hertz; each sample draws one of several.
        harmonics: tones at multiples of it, itself included; those above half the rate are left out.
        snr_db: power of the sample over that of the hum in decibels, a number or an interval drawn from per sample.
        severity: 1 to 5, likewise, in place of ``snr_db``: 25, 20, 15, 10 and 5 dB. Both None: [1, 5].

    Raises:
        ValueError: no waveform, or one whose rate is too low for the tone; an option outside its bounds; both
            ``snr_db`` and ``severity``.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> grid = GridSpec.of(("time", 400, 1 / 8000), channels=1, range=(-1.0, 1.0), signal=True)
    >>> x = torch.full((1, 1, 400), 0.5)
    >>> more = Hum(snr_db=10).bind(grid)(clean_view(grid, x), torch.Generator()).x - x
    >>> more.square().mean().round(decimals=3)
    tensor(0.0250)
    """

    corruption_params = ("snr_db",)
    levels: ClassVar = {"snr_db": (25.0, 20.0, 15.0, 10.0, 5.0)}

    def __init__(
        self,
        *,
        frequency: Sequence[float] = (50.0, 60.0),
        harmonics: int = 5,
        snr_db: Range | None = None,
        severity: Range | None = None,
    ) -> None:
        self.severity = severity_or(severity, snr_db=snr_db)
        self.snr_db = interval("snr_db", 0.0 if snr_db is None else snr_db, -100.0, 120.0)
        if not frequency or min(frequency) <= 0:
            raise ValueError(f"frequency needs at least one number of hertz above 0, got {frequency}: set [50, 60]")
        if harmonics < 1:
            raise ValueError(f"harmonics must be at least 1, the tone itself, got {harmonics}: set 1 or more")
        self.frequency, self.harmonics = tuple(map(float, frequency)), harmonics

    @classmethod
    def suits(cls, grid: GridSpec) -> bool:
        return is_wave(grid) and frames_a_second(grid) > 120  # twice the mains

    def setup(self) -> None:
        """A waveform is needed, of a rate that holds the tone."""
        check_sound("hum", self.grid)
        if max(self.frequency) >= (half := frames_a_second(self.grid) / 2):
            raise ValueError(
                f"hum needs frequencies below half the rate ({half:g} Hz), got {max(self.frequency):g}: lower frequency"
            )

    def __call__(self, view: View, generator: torch.Generator) -> View:
        x, batch, rate = view.x, len(view.x), frames_a_second(self.grid)
        snr_db = self.drawn(batch, generator)["snr_db"]
        choice = torch.randint(len(self.frequency), (batch,), generator=generator, device=x.device)
        number = torch.arange(1, self.harmonics + 1, device=x.device)
        tone = torch.tensor(self.frequency, device=x.device)[choice].unsqueeze(1) * number  # (B, harmonics)
        strength, phase = torch.rand((2, *tone.shape), generator=generator, device=x.device)
        strength = ((0.5 + strength) / number).masked_fill(tone >= rate / 2, 0.0)
        time = torch.arange(x.shape[-1], device=x.device) / rate
        hum = torch.zeros(batch, x.shape[-1], device=x.device)
        for k in range(self.harmonics):
            turns = (tone[:, k, None] * time + phase[:, k, None]) % 1
            hum = torch.addcmul(hum, strength[:, k, None], (2 * math.pi * turns).sin())
        hum = hum.unsqueeze(1).expand(x.shape).to(x.dtype)
        x = added_at_snr(x, hum, snr_db, self.grid, view.valid, view.valid)
        return view._replace(x=x, params={**view.params, "snr_db": snr_db})
