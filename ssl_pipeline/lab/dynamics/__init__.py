"""How a graph trains beyond its loss and its optimiser: what treats gradients and weights on their way."""

from ssl_pipeline.lab.dynamics.base import Dynamics
from ssl_pipeline.lab.dynamics.deltas import InverseDeltas
from ssl_pipeline.lab.dynamics.gradients import ProtectGradients
from ssl_pipeline.lab.dynamics.weights import ProtectWeights

__all__ = ["Dynamics", "InverseDeltas", "ProtectGradients", "ProtectWeights"]
