"""Quantize: a recording of few bits."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._sound import check_sound, is_wave, per_sample
from ssl_pipeline.corruptions._validation import interval
from ssl_pipeline.corruptions.base import Corruption, Range, severity_or
from ssl_pipeline.structures.batch import View
from ssl_pipeline.structures.grid import GridSpec

_MU = 255.0


@register("corruption", "quantize")
class Quantize(Corruption):
    """Values are rounded to 2^bits steps between the ends of the grid's range; silence stays silent.

    With the law ``mu`` the steps grow with the value: at 8 bits the telephone's code, ITU-T G.711,
    https://www.itu.int/rec/T-REC-G.711. Waveforms only: rounding a spectrogram is something else.

    Args:
        bits: number of bits, a number or an interval drawn from per sample and rounded to whole bits.
        law: ``linear``, equal steps, or ``mu``.
        severity: 1 to 5, likewise, in place of ``bits``: 8, 7, 6, 5 and 4 bits. Both None: [1, 5].

    Raises:
        ValueError: no waveform; an option outside its bounds; an unknown law; both ``bits`` and ``severity``.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> grid = GridSpec.of(("time", 4), channels=1, range=(-1.0, 1.0), signal=True)
    >>> Quantize(bits=3).bind(grid)(clean_view(grid, torch.tensor([[[0.1, 0.2, 0.7, -1.0]]])), torch.Generator()).x
    tensor([[[ 0.0000,  0.2500,  0.7500, -1.0000]]])
    """

    corruption_params = ("bits",)
    levels: ClassVar = {"bits": (8.0, 7.0, 6.0, 5.0, 4.0)}

    def __init__(
        self, *, bits: Range | None = None, law: Literal["linear", "mu"] = "linear", severity: Range | None = None
    ) -> None:
        self.severity = severity_or(severity, bits=bits)
        self.bits = interval("bits", 8.0 if bits is None else bits, 2.0, 24.0)
        if law not in ("linear", "mu"):
            raise ValueError(f"law must be linear or mu, got {law!r}: choose one of them")
        self.law = law

    @classmethod
    def suits(cls, grid: GridSpec) -> bool:
        return is_wave(grid)

    def setup(self) -> None:
        """A waveform is needed."""
        check_sound("quantize", self.grid)

    def __call__(self, view: View, generator: torch.Generator) -> View:
        bits = self.drawn(len(view.x), generator)["bits"].round()
        x, full = view.x.float(), float(max(map(abs, self.grid.range)))
        half = per_sample(2 ** (bits - 1), x)
        x = x / full
        if self.law == "mu":
            x = x.sign() * (_MU * x.abs()).log1p() / math.log1p(_MU)
        x = torch.minimum((x * half).round().clamp(min=-half), half - 1) / half
        if self.law == "mu":
            x = x.sign() * (x.abs() * math.log1p(_MU)).expm1() / _MU
        return view._replace(x=(x * full).to(view.x.dtype), params={**view.params, "bits": bits})
