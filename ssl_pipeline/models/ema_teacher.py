"""The teacher: a copy that follows slowly."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from math import cos, pi

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ssl_pipeline.config.registry import register
from ssl_pipeline.models.encoders import Encoder
from ssl_pipeline.structures.binding import Bindable


@register("teacher", "ema")
class EMATeacher(Bindable, nn.Module):
    """Exponential moving average of modules (Mean Teacher, arXiv 1703.01780), without gradient.

    It is in evaluation mode (no drop path, no dropped view) but for batch normalisation, which takes the statistics of
    its own batches.

    Args:
        momentum: share of the copy that stays at each step, at the start.
        final: the same at the end; in between half a cosine (BYOL, arXiv 2006.07733).
        layers: the tokens of the copied encoder are the mean over its last so many blocks, each standardised
            (data2vec, arXiv 2202.03555).

    Raises:
        ValueError: a momentum outside [0, 1]; an encoder without so many blocks.
    """

    def __init__(self, momentum: float = 0.97, final: float = 0.999, layers: int = 1) -> None:
        super().__init__()
        if not (0 <= momentum <= 1 and 0 <= final <= 1):
            raise ValueError(f"teacher.momentum={momentum} and teacher.final={final}: expected shares from 0 to 1")
        self.momentum, self.final, self.layers = momentum, final, layers

    def setup(self, students: Mapping[str, nn.Module]) -> None:
        """Copy modules by name, as they are."""
        self.copies = nn.ModuleDict(deepcopy(dict(students))).requires_grad_(False)
        blocks = max((part.blocks for part in self.copies.values() if isinstance(part, Encoder)), default=1)
        if not 1 <= self.layers <= blocks:
            raise ValueError(
                f"teacher.layers={self.layers}: expected 1 to the {blocks} blocks that the encoder can average"
            )
        self.train()

    def train(self, mode: bool = True) -> EMATeacher:
        """Training mode reaches batch normalisation alone."""
        super().train(False)
        for module in self.modules():
            if isinstance(module, _BatchNorm):
                module.train(mode)
        return self

    def start(self, students: Mapping[str, nn.Module]) -> None:
        """Be as the students are, running statistics too."""
        for name, student in students.items():
            self.copies[name].load_state_dict(student.state_dict())

    @torch.no_grad()
    def follow(self, students: Mapping[str, nn.Module], progress: float) -> None:
        """One step towards the students.

        Args:
            students: the modules of which the copies were made.
            progress: of the training, from 0 to 1.
        """
        stay = self.final + (self.momentum - self.final) * (1 + cos(pi * min(1.0, progress))) / 2
        for name, student in students.items():
            for ours, theirs in zip(self.copies[name].parameters(), student.parameters(), strict=True):
                ours.lerp_(theirs, 1 - stay)
