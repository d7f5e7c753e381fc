"""Training: the only place that knows Lightning."""

from ssl_pipeline.training.callbacks.base import GraphCallback
from ssl_pipeline.training.module import PretrainModule
from ssl_pipeline.training.runner import run
from ssl_pipeline.training.samplers import EpochSampler, Sampler, SamplerContext

__all__ = ["EpochSampler", "GraphCallback", "PretrainModule", "Sampler", "SamplerContext", "run"]
