"""Energies: how badly two things agree. Pure functions, and thin modules that carry their settings."""

from ssl_pipeline.losses.alignment import Alignment, alignment
from ssl_pipeline.losses.barlow_twins import BarlowTwins, barlow_twins
from ssl_pipeline.losses.base import PairLoss, ReconstructionLoss
from ssl_pipeline.losses.centering_sinkhorn import Balancing, Centering, Sinkhorn, sinkhorn
from ssl_pipeline.losses.clip import CLIP
from ssl_pipeline.losses.divergence import Divergence, JensenShannon, SymmetricKL, jensen_shannon, symmetric_kl
from ssl_pipeline.losses.info_nce import InfoNCE, info_nce
from ssl_pipeline.losses.moco import MoCo, moco
from ssl_pipeline.losses.nnclr import NNCLR, nnclr
from ssl_pipeline.losses.reconstruction import (
    L1,
    MSE,
    Charbonnier,
    CrossEntropy,
    LogMSE,
    NormalizedPatches,
    SmoothL1,
    normalized_patch_error,
)
from ssl_pipeline.losses.self_distillation import SelfDistillation, self_distillation
from ssl_pipeline.losses.sigreg import SIGReg, epps_pulley, sigreg
from ssl_pipeline.losses.stft import LogMelL1, MultiResolutionSTFT
from ssl_pipeline.losses.vicreg import VICReg, vicreg

__all__ = [
    "CLIP",
    "L1",
    "MSE",
    "NNCLR",
    "Alignment",
    "Balancing",
    "BarlowTwins",
    "Centering",
    "Charbonnier",
    "CrossEntropy",
    "Divergence",
    "InfoNCE",
    "JensenShannon",
    "LogMSE",
    "LogMelL1",
    "MoCo",
    "MultiResolutionSTFT",
    "NormalizedPatches",
    "PairLoss",
    "ReconstructionLoss",
    "SIGReg",
    "SelfDistillation",
    "Sinkhorn",
    "SmoothL1",
    "SymmetricKL",
    "VICReg",
    "alignment",
    "barlow_twins",
    "epps_pulley",
    "info_nce",
    "jensen_shannon",
    "moco",
    "nnclr",
    "normalized_patch_error",
    "self_distillation",
    "sigreg",
    "sinkhorn",
    "symmetric_kl",
    "vicreg",
]
