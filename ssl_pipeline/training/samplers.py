"""The extension point for the order of the training samples, which may depend on the model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from ssl_pipeline.data import Data, EpochOrder
from ssl_pipeline.graph.graph import Graph


class SamplerContext(NamedTuple):
    """The run that a sampler works for."""

    data: Data  # of known length
    batch_size: int  # over all devices
    seed: int
    folder: Path  # of the run
    done: int  # steps of earlier sittings


class EpochSampler:
    """Decides the order of each epoch. All ranks must decide alike.

    Attributes:
        order: asked for each epoch after ``update`` was called at the end of the one before.
    """

    order: EpochOrder

    def start(self) -> None:
        """Training begins or goes on."""

    def update(self, graph: Graph, step: int) -> Mapping[str, float]:
        """Called before the first step and after the last step of each epoch, before the checkpoint is written.

        Args:
            graph: as it is, in evaluation mode.
            step: steps that are done.

        Returns:
            Numbers for every logger.
        """
        raise NotImplementedError

    def finish(self, writes: bool) -> None:
        """Training ends; ``writes``: whether this process is the one that writes files."""

    def summary(self) -> Mapping[str, float]:
        """Numbers for the run's summary."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must hold: plain values and tensors."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""


class Sampler(ABC):
    """What ``sampler=`` chooses: the options of an ``EpochSampler``, checked before data is read."""

    shards: ClassVar[bool] = False
    """Whether it works on weights in shards (``hardware=fsdp``)."""

    @abstractmethod
    def bind(self, context: SamplerContext) -> EpochSampler:
        """The sampler of one run."""
