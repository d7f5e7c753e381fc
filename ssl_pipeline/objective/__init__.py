"""The objective: a weighted sum of terms, each of which puts one kind of energy on one pattern of edges."""

from ssl_pipeline.objective.agree import Agree
from ssl_pipeline.objective.base import Sizes, State, Targets, Term
from ssl_pipeline.objective.consistency import Consistency
from ssl_pipeline.objective.objective import Objective
from ssl_pipeline.objective.predict import Predict
from ssl_pipeline.objective.predict_tokens import PredictTokens
from ssl_pipeline.objective.reconstruct import Reconstruct
from ssl_pipeline.objective.relate import Relate
from ssl_pipeline.objective.transition import Transition

__all__ = [
    "Agree",
    "Consistency",
    "Objective",
    "Predict",
    "PredictTokens",
    "Reconstruct",
    "Relate",
    "Sizes",
    "State",
    "Targets",
    "Term",
    "Transition",
]
