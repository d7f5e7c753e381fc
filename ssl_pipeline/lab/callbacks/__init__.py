"""Callbacks that change gradients and weights on their way, beyond the loss and the optimiser."""

from ssl_pipeline.lab.callbacks.base import PartsCallback
from ssl_pipeline.lab.callbacks.deltas import InverseDeltas
from ssl_pipeline.lab.callbacks.gradients import ProtectGradients
from ssl_pipeline.lab.callbacks.weights import ProtectWeights

__all__ = ["InverseDeltas", "PartsCallback", "ProtectGradients", "ProtectWeights"]
