"""A row for each loss, in one setting or several."""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, NamedTuple

from helpers.cases.grids import GRIDS

from ssl_pipeline.losses import (
    CLIP,
    L1,
    MSE,
    NNCLR,
    Alignment,
    BarlowTwins,
    Centering,
    Charbonnier,
    CrossEntropy,
    InfoNCE,
    JensenShannon,
    LogMelL1,
    LogMSE,
    MoCo,
    MultiResolutionSTFT,
    NormalizedPatches,
    PairLoss,
    ReconstructionLoss,
    SelfDistillation,
    SIGReg,
    Sinkhorn,
    SmoothL1,
    SymmetricKL,
    VICReg,
)
from ssl_pipeline.structures.binding import Bindable


class LossCase(NamedTuple):
    """One setting of a loss; ``name`` is that of the objective's YAML file that uses it."""

    name: str
    build: type[PairLoss] | type[ReconstructionLoss]
    options: Mapping[str, Any]
    best: float = 0.0  # of a reconstruction that is perfect

    def make(self) -> Any:
        """A fresh one, whose parts have no memory yet."""
        made = self.build(**deepcopy(dict(self.options)))
        return made.bind(GRIDS["wave"]) if isinstance(made, Bindable) else made


LOSSES = (
    LossCase("reconstruct", MSE, {}),
    LossCase("l1", L1, {}),
    LossCase("smooth_l1", SmoothL1, {"beta": 0.5}),
    LossCase("charbonnier", Charbonnier, {"eps": 0.1}, best=0.1),
    LossCase("log_mse", LogMSE, {"eps": 0.1}, best=math.log(0.1)),
    LossCase("patchnorm", NormalizedPatches, {}),
    LossCase("cross_entropy", CrossEntropy, {}),
    LossCase("translate", MSE, {}),
    LossCase("perceptual", L1, {}),
    LossCase("transition", MSE, {}),
    LossCase("consistency", JensenShannon, {}),
    LossCase("consistency", SymmetricKL, {}),
    LossCase("stft", MultiResolutionSTFT, {"sizes": (8, 16)}),
    LossCase("logmel", LogMelL1, {"n_fft": 16, "hop": 4, "mels": 4}),
    LossCase("align", Alignment, {}),
    LossCase("info_nce", InfoNCE, {}),
    LossCase("clip", CLIP, {}),
    LossCase("vicreg", VICReg, {}),
    LossCase("barlow", BarlowTwins, {}),
    LossCase("sigreg", SIGReg, {"directions": 32}),
    LossCase("byol", Alignment, {}),
    LossCase("moco", MoCo, {"width": 6, "size": 12}),
    LossCase("nnclr", NNCLR, {"width": 6, "size": 12}),
    LossCase("dino", SelfDistillation, {"balance": Centering(6)}),
    LossCase("swav", SelfDistillation, {"balance": Sinkhorn()}),
    LossCase("ibot", SelfDistillation, {"balance": Centering(6)}),
    LossCase("jepa", SmoothL1, {}),
)
