"""Training: the only place that knows Lightning."""

from ssl_pipeline.training.module import PretrainModule
from ssl_pipeline.training.runner import run

__all__ = ["PretrainModule", "run"]
