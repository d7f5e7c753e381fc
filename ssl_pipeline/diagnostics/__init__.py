"""Diagnostics: numbers that say whether information and gradients pass a graph or any module, and sentences."""

from ssl_pipeline.diagnostics.batch import batch_effects
from ssl_pipeline.diagnostics.collapse import Signs, collapsed, gap, signs
from ssl_pipeline.diagnostics.edges import LossGradients, loss_gradients
from ssl_pipeline.diagnostics.judge import END, Finding, Numbers, findings
from ssl_pipeline.diagnostics.layers import Passed, Taps, changes, input_share, layers_of, listen
from ssl_pipeline.diagnostics.look import ProbeBatch, headline, look, rows
from ssl_pipeline.diagnostics.rank import effective_ranks, entropy_rank, weight_ranks
from ssl_pipeline.diagnostics.registry import register_diagnostic
from ssl_pipeline.diagnostics.step import StepSizes

__all__ = [
    "END",
    "Finding",
    "LossGradients",
    "Numbers",
    "Passed",
    "ProbeBatch",
    "Signs",
    "StepSizes",
    "Taps",
    "batch_effects",
    "changes",
    "collapsed",
    "effective_ranks",
    "entropy_rank",
    "findings",
    "gap",
    "headline",
    "input_share",
    "layers_of",
    "listen",
    "look",
    "loss_gradients",
    "register_diagnostic",
    "rows",
    "signs",
    "weight_ranks",
]
