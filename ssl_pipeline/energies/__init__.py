"""Energies: how badly two things agree. Pure functions, and thin modules that carry their settings."""

from ssl_pipeline.energies.align import Align, align
from ssl_pipeline.energies.balance import Balance, Centring, Sinkhorn, sinkhorn
from ssl_pipeline.energies.barlow import Barlow, barlow
from ssl_pipeline.energies.base import PairEnergy, ReconstructionEnergy
from ssl_pipeline.energies.distil import Distil, distil
from ssl_pipeline.energies.divergence import Divergence, JensenShannon, SymmetricKL, jensen_shannon, symmetric_kl
from ssl_pipeline.energies.info_nce import InfoNCE, info_nce
from ssl_pipeline.energies.neighbour import NearestNeighbour, neighbour_nce
from ssl_pipeline.energies.queue_nce import QueueNCE, queue_nce
from ssl_pipeline.energies.reconstruction import (
    L1,
    MSE,
    CrossEntropy,
    NormalisedPatches,
    SmoothL1,
    normalised_patch_error,
)
from ssl_pipeline.energies.sigreg import SIGReg, epps_pulley, sigreg
from ssl_pipeline.energies.spectral import LogMelL1, MultiResolutionSTFT
from ssl_pipeline.energies.vicreg import VICReg, vicreg

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
