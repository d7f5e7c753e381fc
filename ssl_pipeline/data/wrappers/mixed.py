"""Several data sets in one run, each with its own grid; steps take them by turns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Data, Dataset, Stream
from ssl_pipeline.data.sampling import EpochOrder, StepSampler
from ssl_pipeline.structures.batch import Batch


@dataclass(frozen=True)
class Mixed:
    """Data sets by name.

    Args:
        sets: at least two of them.
    """

    sets: Mapping[str, Data]

    @property
    def name(self) -> str:
        """How reports call it."""
        return " + ".join(self.sets)

    @property
    def train(self) -> Turns:
        """Batches of the sets by turns."""
        return Turns({name: data.train for name, data in self.sets.items()})


class Turns:
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


@register("data", "mixed", parts={"sets": "data"})
def mixed(sets: Mapping[str, Data]) -> Mixed:
    """Data sets for one run with a shared trunk.

    Args:
        sets: by the names under which the run reports them.

    Raises:
        ValueError: fewer than two.
    """
    if len(sets) < 2:
        raise ValueError(f"data=mixed trains on at least two sets together, got {', '.join(sets) or 'none'}: name more")
    return Mixed(dict(sets))


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
