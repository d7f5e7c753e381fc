"""The objective: a weighted sum of terms, each of which puts one kind of energy on one pattern of edges."""

from ssl_pipeline.objectives.base import Sizes, State, Targets, Term
from ssl_pipeline.objectives.consistency import Consistency
from ssl_pipeline.objectives.cross_modal import Relate
from ssl_pipeline.objectives.joint_embedding import Agree
from ssl_pipeline.objectives.masked_prediction import PredictTokens
from ssl_pipeline.objectives.objective import Objective
from ssl_pipeline.objectives.reconstruction import Reconstruct
from ssl_pipeline.objectives.teacher_prediction import Predict
from ssl_pipeline.objectives.world_model import Transition

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
