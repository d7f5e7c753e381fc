"""Energies: how badly two things agree. Pure functions, and thin modules that carry their settings."""

from ssl_pipeline.losses.alignment import Align, align
from ssl_pipeline.losses.barlow_twins import Barlow, barlow
from ssl_pipeline.losses.base import PairEnergy, ReconstructionEnergy
from ssl_pipeline.losses.centering_sinkhorn import Balance, Centring, Sinkhorn, sinkhorn
from ssl_pipeline.losses.divergence import Divergence, JensenShannon, SymmetricKL, jensen_shannon, symmetric_kl
from ssl_pipeline.losses.info_nce import InfoNCE, info_nce
from ssl_pipeline.losses.moco import QueueNCE, queue_nce
from ssl_pipeline.losses.nnclr import NearestNeighbour, neighbour_nce
from ssl_pipeline.losses.reconstruction import (
    L1,
    MSE,
    CrossEntropy,
    NormalisedPatches,
    SmoothL1,
    normalised_patch_error,
)
from ssl_pipeline.losses.self_distillation import Distil, distil
from ssl_pipeline.losses.sigreg import SIGReg, epps_pulley, sigreg
from ssl_pipeline.losses.stft import LogMelL1, MultiResolutionSTFT
from ssl_pipeline.losses.vicreg import VICReg, vicreg

__all__ = [
    "L1",
    "MSE",
    "Align",
    "Balance",
    "Barlow",
    "Centring",
    "CrossEntropy",
    "Distil",
    "Divergence",
    "InfoNCE",
    "JensenShannon",
    "LogMelL1",
    "MultiResolutionSTFT",
    "NearestNeighbour",
    "NormalisedPatches",
    "PairEnergy",
    "QueueNCE",
    "ReconstructionEnergy",
    "SIGReg",
    "Sinkhorn",
    "SmoothL1",
    "SymmetricKL",
    "VICReg",
    "align",
    "barlow",
    "distil",
    "epps_pulley",
    "info_nce",
    "jensen_shannon",
    "neighbour_nce",
    "normalised_patch_error",
    "queue_nce",
    "sigreg",
    "sinkhorn",
    "symmetric_kl",
    "vicreg",
]
