"""A row for each callback, in one setting or several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ssl_pipeline.lab.callbacks import InverseDeltas, ProtectGradients, ProtectWeights
from ssl_pipeline.training import GraphCallback


class CallbackCase(NamedTuple):
    """One setting of a callback."""

    name: str  # of the YAML file
    build: type[GraphCallback]
    options: Mapping[str, Any]


CALLBACKS = (
    CallbackCase("gradient_protection", ProtectGradients, {}),
    CallbackCase("gradient_protection", ProtectGradients, {"over": "sample", "mean": False}),
    CallbackCase("gradient_protection", ProtectGradients, {"over": "batch", "scale": 0.1}),
    CallbackCase("gradient_protection", ProtectGradients, {"scale": None, "weights": 1e-2}),
    CallbackCase("inverse_delta", InverseDeltas, {}),
    CallbackCase("weight_protection", ProtectWeights, {"every": 1}),
    CallbackCase("weight_protection", ProtectWeights, {"every": 1, "strength": 0.1, "low": 0.5, "high": 1.0}),
)
