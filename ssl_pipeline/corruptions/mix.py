"""Mix: other samples of the batch sound through."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._snr import added_at_snr, mean_power, valid_mean
from ssl_pipeline.corruptions._sound import is_log_mel, is_wave, per_sample, without_padding
from ssl_pipeline.corruptions._validation import interval
from ssl_pipeline.corruptions.base import Corruption, Range, severity_or
from ssl_pipeline.structures.batch import View
from ssl_pipeline.structures.grid import GridSpec


@register("corruption", "mix")
class Mix(Corruption):
    """Each sample gets others added, that a random number of places further on in the batch and those behind it.

    Signals add, logarithms add as power (BYOL-A, https://arxiv.org/abs/2103.06695), and of other grids the other
    sample's distance to its mean adds, so that the brightness stays. Several voices are equally loud and make babble
    (https://arxiv.org/abs/1510.08484). A batch of one sample stays as it is.

    Args:
        snr_db: power of the sample over that of what is added in decibels, a number or an interval drawn from per
            sample; padding does not count. Where neither it nor ``severity`` is given, [0, 15].
        voices: number of samples that are added, where the batch has so many others.
        severity: 1 to 5, likewise, in place of ``snr_db``: 20, 15, 10, 5 and 0 dB.

    Raises:
        ValueError: a discrete grid; an option outside its bounds; both ``snr_db`` and ``severity``.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("time", 2), channels=1, range=(-1.0, 1.0), signal=True)
    >>> x = torch.tensor([[[0.5, 0.5]], [[-0.1, 0.1]]])
    >>> Mix(snr_db=0).bind(grid)(clean_view(grid, x), torch.Generator()).x
    tensor([[[0.0000, 1.0000]],
    <BLANKLINE>
            [[0.0000, 0.2000]]])
    """

    corruption_params = ("snr_db",)
    levels: ClassVar = {"snr_db": (20.0, 15.0, 10.0, 5.0, 0.0)}

    def __init__(self, *, snr_db: Range | None = None, voices: int = 1, severity: Range | None = None) -> None:
        self.severity = severity_or(severity, None, snr_db=snr_db)
        self.snr_db = interval("snr_db", (0.0, 15.0) if snr_db is None else snr_db, -100.0, 100.0)
        if voices < 1:
            raise ValueError(f"voices must be at least 1, got {voices}: set how many samples are added, or use echo")
        self.voices = voices

    @classmethod
    def suits(cls, grid: GridSpec) -> bool:
        return is_wave(grid) or is_log_mel(grid)

    def setup(self) -> None:
        """A continuous grid is needed."""
        if self.grid.discrete:
            raise ValueError("mix adds values, got a discrete grid, whose symbols do not add up: use noise or infill")

    def __call__(self, view: View, generator: torch.Generator) -> View:
        x, batch = view.x, view.x.shape[0]
        snr_db = self.drawn(batch, generator)["snr_db"]
        params = {**view.params, "snr_db": snr_db}
        if batch == 1:
            return view._replace(params=params)
        shift = torch.randint(1, batch, (1,), generator=generator, device=x.device)
        first = torch.arange(batch, device=x.device)
        # From one voice to the next, past the sample itself, which is batch places further on.
        others = [(first + (shift - 1 + k) % (batch - 1) + 1) % batch for k in range(min(self.voices, batch - 1))]
        sound, valid = self._voice(view, others[0]) if len(others) == 1 else self._babble(view, others)
        return view._replace(x=added_at_snr(x, sound, snr_db, self.grid, view.valid, valid), params=params)

    @staticmethod
    def _voice(view: View, other: Tensor) -> tuple[Tensor, Tensor | None]:
        return view.x[other], None if view.valid is None else view.valid[other]

    def _babble(self, view: View, others: list[Tensor]) -> tuple[Tensor, Tensor | None]:
        """The sum of several voices of power 1, and where at least one of them is."""
        grid, total, somewhere = self.grid, None, None
        for other in others:
            x, valid = self._voice(view, other)
            x = x.float()
            power = mean_power(x, grid, valid)
            power = per_sample(torch.where(power > 0, power, math.inf), x)
            if not (grid.log or grid.signal):
                x = x - valid_mean(x, valid)
            one = without_padding((x.exp() / power) if grid.log else x / power.sqrt(), valid)
            total = one if total is None else total + one
            somewhere = valid if somewhere is None or valid is None else somewhere | valid
        assert total is not None
        return total.log() if grid.log else total, somewhere
