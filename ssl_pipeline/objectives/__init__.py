"""The objective: a weighted sum of terms, each of which puts one kind of loss on one pattern of edges."""

from ssl_pipeline.objectives.base import GraphInfo, State, Targets, Term
from ssl_pipeline.objectives.consistency import Consistency
from ssl_pipeline.objectives.cross_modal import CrossModal
from ssl_pipeline.objectives.joint_embedding import JointEmbedding
from ssl_pipeline.objectives.masked_prediction import MaskedPrediction
from ssl_pipeline.objectives.objective import Objective
from ssl_pipeline.objectives.perceptual import Perceptual
from ssl_pipeline.objectives.reconstruction import Reconstruction
from ssl_pipeline.objectives.teacher_prediction import TeacherPrediction
from ssl_pipeline.objectives.world_model import WorldModel

__all__ = [
    "Consistency",
    "CrossModal",
    "GraphInfo",
    "JointEmbedding",
    "MaskedPrediction",
    "Objective",
    "Perceptual",
    "Reconstruction",
    "State",
    "Targets",
    "TeacherPrediction",
    "Term",
    "WorldModel",
]
