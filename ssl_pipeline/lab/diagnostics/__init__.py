"""Diagnostics of the laboratory: capacity and coverage of families of models, directions and spectra of paths."""

from ssl_pipeline.lab.diagnostics.capacity import Errors, Family, Target, capacity
from ssl_pipeline.lab.diagnostics.coverage import Coverage, coverage
from ssl_pipeline.lab.diagnostics.deltas import DeltaAgreement, delta_agreement, delta_agreements, deltas
from ssl_pipeline.lab.diagnostics.low_rank import low_rank_errors, low_rank_tail
from ssl_pipeline.lab.diagnostics.path import path_spectrum

__all__ = [
    "Coverage",
    "DeltaAgreement",
    "Errors",
    "Family",
    "Target",
    "capacity",
    "coverage",
    "delta_agreement",
    "delta_agreements",
    "deltas",
    "low_rank_errors",
    "low_rank_tail",
    "path_spectrum",
]
