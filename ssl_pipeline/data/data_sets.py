"""The data sets of a run; steps take several by turns, each with its own grid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from ssl_pipeline.config.build import build_part
from ssl_pipeline.data.base import Data, Dataset, Stream
from ssl_pipeline.data.sampling import EpochOrder, StepSampler
from ssl_pipeline.structures.batch import Batch
from ssl_pipeline.structures.per_data_set import PerDataSet


class DataSets(PerDataSet[Data]):
    """Data sets by the names under which a run reports them; one data set is a set of one."""

    @classmethod
    def of(cls, data: Data | DataSets) -> DataSets:
        """A set as it is; one data set, under its own name, as a set of one."""
        return data if isinstance(data, DataSets) else cls({data.name: data})

    @property
    def train(self) -> Dataset | Stream:
        """What training reads: the samples of the only data set, or batches of several by turns."""
        return TurnStream({name: data.train for name, data in self.items()}) if len(self) > 1 else self.only.train


def build_data(node: Any, trust: tuple[str, ...] = ()) -> DataSets:
    """The data sets that ``data=`` asks for.

    Args:
        node: ``{type: NAME, option: value ...}``.
        trust: see ``config.build``.

    Raises:
        ValueError: see ``build_part``; what the data sets refuse.
    """
    return DataSets.of(build_part("data", node, at="data", trust=trust))


class TurnStream:
    """A stream in which step ``s`` is step ``s // n`` of data set ``s % n``: a function of the step number alone."""

    def __init__(self, parts: Mapping[str, Dataset | Stream]) -> None:
        self.parts = parts

    def batches(self, batch_size: int, seed: int, step: int, rank: int, world: int) -> Iterator[Batch]:
        """This rank's samples of each global step, from ``step`` on, without end.

        Raises:
            ValueError: a set that cannot fill a batch; it is named.
        """
        n, own = len(self.parts), []
        for turn, (name, part) in enumerate(self.parts.items()):
            try:
                own.append(_from(part, batch_size, seed, -((turn - step) // n), rank, world))
            except ValueError as error:
                raise ValueError(f"data.sets.{name}: {error}") from None
        for now in count(step):
            yield next(own[now % n])

    def in_order(self, batch_size: int) -> Iterator[Batch]:
        """Not defined: the sets lie on different grids.

        Raises:
            TypeError: always; read each set by itself.
        """
        raise TypeError("samples of several grids have no common order: read each set by itself")


def _from(part: Dataset | Stream, batch_size: int, seed: int, step: int, rank: int, world: int) -> Iterator[Batch]:
    if isinstance(part, Stream):
        return part.batches(batch_size, seed, step, rank, world)
    sampler = StepSampler(EpochOrder(part.sources, seed), batch_size, rank, world, start=lambda: step)

    def batches() -> Iterator[Batch]:
        nonlocal step
        while True:  # a sampler ends with the epoch, and begins where ``step`` is by then
            for index in sampler:
                yield part[index]
                step += 1

    return batches()
