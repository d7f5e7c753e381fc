"""Diagnostics: numbers that say whether information and gradients pass a graph or any module, and sentences."""

from ssl_pipeline.diagnostics.batch import batch_effects
from ssl_pipeline.diagnostics.capacity import Errors, Family, Target, capacity
from ssl_pipeline.diagnostics.collapse import Signs, collapsed, gap, signs
from ssl_pipeline.diagnostics.coverage import Coverage, coverage
from ssl_pipeline.diagnostics.deltas import Agreement, agreement, delta_agreements, deltas
from ssl_pipeline.diagnostics.edges import Pulls, pulls
from ssl_pipeline.diagnostics.judge import END, Finding, Numbers, findings
from ssl_pipeline.diagnostics.layers import Passed, Taps, changes, input_share, layers_of, listen
from ssl_pipeline.diagnostics.low_rank import low_rank_errors, low_rank_tail
from ssl_pipeline.diagnostics.path import path_spectrum
from ssl_pipeline.diagnostics.rank import effective_ranks, entropy_rank, weight_ranks
from ssl_pipeline.diagnostics.step import StepSizes

__all__ = [
    "END",
    "Agreement",
    "Coverage",
    "Errors",
    "Family",
    "Finding",
    "Numbers",
    "Passed",
    "Pulls",
    "Signs",
    "StepSizes",
    "Taps",
    "Target",
    "agreement",
    "batch_effects",
    "capacity",
    "changes",
    "collapsed",
    "coverage",
    "delta_agreements",
    "deltas",
    "effective_ranks",
    "entropy_rank",
    "findings",
    "gap",
    "input_share",
    "layers_of",
    "listen",
    "low_rank_errors",
    "low_rank_tail",
    "path_spectrum",
    "pulls",
    "signs",
    "weight_ranks",
]
