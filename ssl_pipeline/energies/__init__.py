"""Energies: how badly two things agree. Pure functions, and thin modules that carry their settings."""

from ssl_pipeline.energies.align import Align, align
from ssl_pipeline.energies.base import PairEnergy, ReconstructionEnergy
from ssl_pipeline.energies.info_nce import InfoNCE, info_nce
from ssl_pipeline.energies.reconstruction import (
    L1,
    MSE,
    CrossEntropy,
    NormalisedPatches,
    normalised_patch_error,
)
from ssl_pipeline.energies.spectral import LogMelL1, MultiResolutionSTFT
from ssl_pipeline.energies.vicreg import VICReg, vicreg

__all__ = [
    "L1",
    "MSE",
    "Align",
    "CrossEntropy",
    "InfoNCE",
    "LogMelL1",
    "MultiResolutionSTFT",
    "NormalisedPatches",
    "PairEnergy",
    "ReconstructionEnergy",
    "VICReg",
    "align",
    "info_nce",
    "normalised_patch_error",
    "vicreg",
]
