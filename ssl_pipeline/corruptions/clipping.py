"""Clipping: the peaks of a recording are cut off."""

from __future__ import annotations

from typing import ClassVar

import torch

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._sound import check_sound, is_wave, per_sample, without_padding
from ssl_pipeline.corruptions._validation import interval
from ssl_pipeline.corruptions.base import Corruption, Range, severity_or
from ssl_pipeline.structures.batch import View
from ssl_pipeline.structures.grid import GridSpec


@register("corruption", "clipping")
class Clipping(Corruption):
    """Hard clipping, as declipping is asked to undo it, https://arxiv.org/abs/1506.01830.

    What lies within the cut keeps its level. Waveforms only: which parts of a spectrogram came from peaks is not known.

    Args:
        depth_db: how far below the sample's peak the cut lies, in decibels, a number or an interval drawn from per
            sample; 0 cuts nothing. Padding does not count.
        severity: 1 to 5, likewise, in place of ``depth_db``: 3, 6, 10, 15 and 20 dB. Both None: [1, 5].

    Raises:
        ValueError: no waveform; an option outside its bounds; both ``depth_db`` and ``severity``.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> grid = GridSpec.of(("time", 4), channels=1, range=(-1.0, 1.0), signal=True)
    >>> view = clean_view(grid, torch.tensor([[[0.0, 0.05, 1.0, -0.5]]]))
    >>> Clipping(depth_db=20).bind(grid)(view, torch.Generator()).x
    tensor([[[ 0.0000,  0.0500,  0.1000, -0.1000]]])
    """

    corruption_params = ("depth_db",)
    levels: ClassVar = {"depth_db": (3.0, 6.0, 10.0, 15.0, 20.0)}

    def __init__(self, *, depth_db: Range | None = None, severity: Range | None = None) -> None:
        self.severity = severity_or(severity, depth_db=depth_db)
        self.depth_db = interval("depth_db", 0.0 if depth_db is None else depth_db, 0.0, 100.0)

    @classmethod
    def suits(cls, grid: GridSpec) -> bool:
        return is_wave(grid)

    def setup(self) -> None:
        """A waveform is needed."""
        check_sound("clipping", self.grid)

    def __call__(self, view: View, generator: torch.Generator) -> View:
        depth_db = self.drawn(len(view.x), generator)["depth_db"]
        peak = without_padding(view.x, view.valid).float().abs().flatten(1).amax(1)
        bound = per_sample(peak * 10 ** (-depth_db / 20), view.x)
        return view._replace(x=view.x.clamp(-bound, bound), params={**view.params, "depth_db": depth_db})
