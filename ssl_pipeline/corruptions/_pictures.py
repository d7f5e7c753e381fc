"""What corruptions of pictures share: they see values from 0 (black) to 1 (white), whatever the grid's range is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from ssl_pipeline.corruptions._validation import interval
from ssl_pipeline.corruptions.base import Corruption, Range, severity_or
from ssl_pipeline.structures.batch import View
from ssl_pipeline.structures.grid import GridSpec

GAMMA = 2.2
"""Light is this power of the values, as displays take them."""


class Limits(NamedTuple):
    """Least and greatest value of an option, and what it is where others are given and it is not."""

    low: float
    high: float
    off: float


def is_picture(grid: GridSpec) -> bool:
    """Whether its last two axes are y and x, and its values are neither symbols nor those of waves or logarithms."""
    return not (grid.discrete or grid.log or grid.signal) and grid.names[-2:] == ("y", "x")


class PictureCorruption(Corruption):
    """Changes pictures: continuous grids whose last two axes are y and x; an axis before them, as time, holds frames.

    Its options are those of ``levels``, or ``severity`` in their place.
    """

    limits: ClassVar[Mapping[str, Limits]] = {}
    """Of the options that ``severity`` stands for."""

    colour: ClassVar[bool] = False
    """Whether red, green and blue are needed."""

    def __init__(self, *, severity: Range | None = None, **given: Range | None) -> None:
        self.severity = severity_or(severity, **given)
        for name, value in given.items():
            low, high, off = self.limits[name]
            setattr(self, name, interval(name, off if value is None else value, low, high))

    @classmethod
    def suits(cls, grid: GridSpec) -> bool:
        return is_picture(grid) and not (cls.colour and grid.channels != 3)

    def setup(self) -> None:
        """Pictures are needed."""
        if not self.suits(self.grid):
            kind = "a discrete" if self.grid.discrete else f"a {self.grid.channels}-channel"
            name, colour = type(self).__name__, " in red, green and blue" * self.colour
            raise ValueError(
                f"{name} changes pictures{colour}, got {kind} grid of {', '.join(self.grid.names)}: "
                "give plain values whose last two axes are y and x, or leave it out"
            )

    def greatest(self, name: str) -> float:
        """The greatest value that an option of ``levels`` can take."""
        if self.severity is None:
            return getattr(self, name)[1]
        levels = self.levels[name]
        return float(np.interp(self.severity, range(1, len(levels) + 1), levels).max())

    def __call__(self, view: View, generator: torch.Generator) -> View:
        x, (low, high) = view.x, self.grid.range
        options = self.drawn(len(x), generator)
        with torch.autocast(x.device.type, enabled=False):
            changed = self.corrupted((x.float() - low) / (high - low), options, generator)
        params = {name: options[name].float() for name in self.corruption_params}
        return view._replace(x=(changed * (high - low) + low).to(x.dtype), params={**view.params, **params})

    @abstractmethod
    def corrupted(
        self, x: Float[Tensor, "B C *grid"], options: dict[str, Tensor], generator: torch.Generator
    ) -> Float[Tensor, "B C *grid"]:
        """Pictures from 0 to 1, changed as ``drawn`` says; what lies outside of 0 to 1 is clipped by the graph."""


def each(value: Shaped[Tensor, "B"], x: Float[Tensor, "B ..."]) -> Shaped[Tensor, "B ..."]:
    """One number a sample, to broadcast over ``x``."""
    return value.view(-1, *[1] * (x.ndim - 1))


def over_frames(field: Float[Tensor, "B H W"], x: Float[Tensor, "B C *grid"]) -> Float[Tensor, "B *ones H W"]:
    """A field of each sample, to broadcast over its channels and frames."""
    return field.view(len(field), *[1] * (x.ndim - 3), *field.shape[1:])


def sign(batch: int, generator: torch.Generator) -> Float[Tensor, "B"]:
    """1 or -1, as often."""
    return 2.0 * torch.randint(2, (batch,), generator=generator, device=generator.device) - 1


def kinds_of(option: str, names: Sequence[str], known: Mapping[str, object]) -> tuple[str, ...]:
    """Names among those that are known.

    Raises:
        ValueError: none, one that is not known, or one twice.

    >>> kinds_of("fills", ["black"], {"black": 0, "grey": 1})
    ('black',)
    """
    if not names or isinstance(names, str) or len(set(names)) < len(names) or not set(names) <= set(known):
        raise ValueError(f"{option} is a list of some of {', '.join(known)}, got {names}: name at least one, each once")
    return tuple(names)


def one_of(option: str, names: Sequence[str], batch: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Which of ``names`` each sample draws: its number under ``option``, 1 at its own ``option.name`` and 0 at others.

    >>> {name: tuple(drawn.shape) for name, drawn in one_of("kind", ["a", "b"], 5, torch.Generator()).items()}
    {'kind': (5,), 'kind.a': (5,), 'kind.b': (5,)}
    """
    drawn = torch.randint(len(names), (batch,), generator=generator, device=generator.device)
    return {option: drawn} | {f"{option}.{name}": (drawn == i).float() for i, name in enumerate(names)}


def some_of(option: str, names: Sequence[str]) -> tuple[str, ...]:
    """The entries of ``one_of`` that a decoder must know: none where there is no choice."""
    return tuple(f"{option}.{name}" for name in names) if len(names) > 1 else ()
