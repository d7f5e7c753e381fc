"""Diagnostics: numbers that say whether information and gradients pass through a graph, and sentences where not."""

from ssl_pipeline.diagnostics.batch import batch_effects
from ssl_pipeline.diagnostics.capacity import Errors, Family, Target, capacity
from ssl_pipeline.diagnostics.collapse import Signs, collapsed, gap, signs
from ssl_pipeline.diagnostics.coverage import Coverage, coverage
from ssl_pipeline.diagnostics.edges import Pulls, pulls
from ssl_pipeline.diagnostics.judge import END, Finding, Numbers, findings
from ssl_pipeline.diagnostics.layers import Passed, Taps, changes, layers_of
from ssl_pipeline.diagnostics.step import StepSizes

__all__ = [
    "END",
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
    "batch_effects",
    "capacity",
    "changes",
    "collapsed",
    "coverage",
    "findings",
    "gap",
    "layers_of",
    "pulls",
    "signs",
]
