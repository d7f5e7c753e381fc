"""Reverb: a sound in a room."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._sound import (
    check_sound,
    fast_length,
    frames_a_second,
    is_log_mel,
    is_wave,
    log_of,
    per_sample,
    power_of,
    without_padding,
)
from ssl_pipeline.corruptions._validation import interval
from ssl_pipeline.corruptions.base import Corruption, Range, severity_or
from ssl_pipeline.structures.batch import View
from ssl_pipeline.structures.grid import GridSpec

_MILLION = math.log(1e6)  # the power falls by 60 dB


def room_response(
    rt60: Float[Tensor, "B"], drr_db: Float[Tensor, "B"], cells: int, rate: float, generator: torch.Generator
) -> Float[Tensor, "B cells"]:
    """1 at time 0, then Gaussian noise that falls by 60 dB in ``rt60`` seconds, of a mean power ``drr_db`` below 1."""
    fall = (_MILLION / (rt60 * rate)).unsqueeze(1)  # of the logarithmic power from one cell to the next
    time = torch.arange(cells, device=rt60.device)
    level = fall.expm1().clamp(max=1e30).log() - drr_db.unsqueeze(1) * (math.log(10) / 10)  # of all the tail: sum = 1
    noise = torch.randn(len(rt60), cells, generator=generator, device=rt60.device)
    response = noise * ((level - fall * time) / 2).exp()
    return torch.cat([torch.ones_like(response[:, :1]), response[:, 1:]], dim=1)


def decaying(
    power: Float[Tensor, "B C M T"], rt60: Float[Tensor, "B"], drr_db: Float[Tensor, "B"], rate: float
) -> Float[Tensor, "B C M T"]:
    """Mean power of frames after such a response: each frame leaves a geometric series in those after it.

    The series are summed over 1, 2, 4, 8 ... frames; a Fourier transform would drown what is faint in rounding.
    """
    fall = per_sample(_MILLION / (rt60 * rate), power)  # of the logarithmic power from one frame to the next
    tail = per_sample(10 ** (-drr_db / 10), power)
    summed, frames = power, 1
    while frames < power.shape[-1]:
        summed = summed + (-fall * frames).exp() * pad(summed[..., :-frames], (frames, 0))
        frames *= 2
    here, later = -(-fall / 2).expm1(), -(-fall).expm1() * (-fall / 2).exp()  # a frame begins half a hop before it
    return power * (1 + tail * here) + tail * later * pad(summed[..., :-1], (1, 0))


def convolved(x: Float[Tensor, "B ... n"], response: Float[Tensor, "B k"]) -> Float[Tensor, "B ... n"]:
    """Linear convolution along the last axis, cut to the length of ``x``."""
    size = fast_length(x.shape[-1] + response.shape[-1] - 1)
    spectrum = torch.fft.rfft(response, n=size).view(len(x), *[1] * (x.ndim - 2), -1)
    return torch.fft.irfft(torch.fft.rfft(x, n=size) * spectrum, n=size)[..., : x.shape[-1]]


@register("corruption", "reverb")
class Reverb(Corruption):
    """A synthetic room: the sound itself, not delayed, and after it noise that decays exponentially (Moorer,
    http://articles.ircam.fr/textes/Moorer78b).

    On log-mel grids the power of each band decays along time: exact for noise, an approximation for other sounds.
    What sounds beyond the end of a sample is cut.

    Args:
        rt60: time in seconds in which the reverberation falls by 60 dB, a number or an interval drawn from per sample;
            None where ``drr_db`` is given: [0.2, 1.3].
        drr_db: power of the direct sound over that of the reverberation in decibels, likewise; None where ``rt60`` is
            given: [-2, 12].
        severity: 1 to 5, likewise, in place of both: 0.2 s and 12 dB to 1.3 s and -2 dB. All None: [1, 5].

    Raises:
        ValueError: neither waveforms nor log-mel; an option outside its bounds; ``severity`` and another one.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> grid = GridSpec.of(("time", 4, 0.1), channels=1, range=(-1.0, 1.0), signal=True)
    >>> x = torch.tensor([[[0.0, 0.5, 0.0, 0.0]]])
    >>> Reverb(rt60=1.0).bind(grid)(clean_view(grid, x), torch.Generator()).x[0, 0, :2].round(decimals=3)
    tensor([0.0000, 0.5000])
    """

    corruption_params = ("rt60", "drr_db")
    levels: ClassVar = {"rt60": (0.2, 0.4, 0.6, 0.9, 1.3), "drr_db": (12.0, 8.0, 4.0, 1.0, -2.0)}

    def __init__(
        self, *, rt60: Range | None = None, drr_db: Range | None = None, severity: Range | None = None
    ) -> None:
        self.severity = severity_or(severity, rt60=rt60, drr_db=drr_db)
        self.rt60 = interval("rt60", (0.2, 1.3) if rt60 is None else rt60, 0.01, 100.0)
        self.drr_db = interval("drr_db", (-2.0, 12.0) if drr_db is None else drr_db, -40.0, 150.0)

    @classmethod
    def suits(cls, grid: GridSpec) -> bool:
        return is_wave(grid) or is_log_mel(grid)

    def setup(self) -> None:
        """A sound is needed."""
        check_sound("reverb", self.grid, log_mel=True)

    def __call__(self, view: View, generator: torch.Generator) -> View:
        x, rate = view.x, frames_a_second(self.grid)
        params = self.drawn(len(x), generator)
        rt60, drr_db = params["rt60"], params["drr_db"]
        if self.grid.log:
            x = log_of(decaying(without_padding(power_of(x, self.grid), view.valid), rt60, drr_db, rate), self.grid)
            return view._replace(x=x.to(view.x.dtype), params={**view.params, **params})
        longest = max(self.levels["rt60"]) if self.severity else self.rt60[1]
        response = room_response(rt60, drr_db, min(x.shape[-1], 2 + math.ceil(longest * rate)), rate, generator)
        x = convolved(without_padding(x.float(), view.valid), response)
        return view._replace(x=x.to(view.x.dtype), params={**view.params, **params})
