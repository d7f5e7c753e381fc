"""What watches a training: one file a callback."""

from ssl_pipeline.training.callbacks.base import GraphCallback
from ssl_pipeline.training.callbacks.clock import Clock
from ssl_pipeline.training.callbacks.diagnostics import Diagnostics
from ssl_pipeline.training.callbacks.finite import Finite
from ssl_pipeline.training.callbacks.metrics import Metrics
from ssl_pipeline.training.callbacks.online_probe import OnlineProbe
from ssl_pipeline.training.callbacks.sampling import Sampling
from ssl_pipeline.training.callbacks.saver import Saver
from ssl_pipeline.training.callbacks.stop_on_signal import StopOnSignal

__all__ = [
    "Clock",
    "Diagnostics",
    "Finite",
    "GraphCallback",
    "Metrics",
    "OnlineProbe",
    "Sampling",
    "Saver",
    "StopOnSignal",
]
