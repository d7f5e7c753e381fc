"""Groups of options that several data sets share: how they are split, cut into windows, cached."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from ssl_pipeline.data.base import check_fraction
from ssl_pipeline.utils.annotations import misfits
from ssl_pipeline.utils.errors import nearest

Options = Mapping[str, Any]
"""A group as a configuration writes it; what it leaves out keeps its default."""

Group = TypeVar("Group", bound="OptionGroup")


class OptionGroup:
    """A frozen dataclass that can be written as a mapping."""

    group: ClassVar[str]
    """Key of the group in a configuration."""

    @classmethod
    def of(cls: type[Group], value: Any, **defaults: Any) -> Group:
        """The options of a mapping; those that are built already stay as they are.

        Args:
            value: the group, or some of its options by name.
            defaults: of options that the mapping leaves out, where they differ from those of the class.

        Raises:
            ValueError: not a mapping, an unknown option, or a value outside its bounds.

        >>> Split.of({"seed": 3}, holdout=0.2)
        Split(holdout=0.2, seed=3)
        """
        if isinstance(value, cls):
            return value
        names = [field.name for field in fields(cls)]  # pyright: ignore[reportArgumentType]
        if not isinstance(value, Mapping):
            raise ValueError(f"expected {cls.group} as options {{{names[0]}: ..., ...}}, got {value!r}")
        for name, one in value.items():
            if name not in names:
                raise ValueError(f"{cls.group} has no option {name!r}; {nearest(str(name), names)}")
            if isinstance(one, float) and not isfinite(one):
                raise ValueError(f"{cls.group}.{name}={one}: expected a finite number")
        for name, expected in misfits(cls, value):
            raise ValueError(f"{cls.group}.{name}={value[name]!r}: expected {expected}")
        return cls(**{**defaults, **value})


@dataclass(frozen=True)
class Split(OptionGroup):
    """Which samples are held out for testing, where the data set has no test part of its own.

    Args:
        holdout: fraction of the sources (files, speakers, ...) from 0 up to, not including, 1; 0: none.
        seed: of the random choice of sources.

    Raises:
        ValueError: another fraction.
    """

    group = "split"
    holdout: float | int = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        check_fraction(self.holdout)


@dataclass(frozen=True)
class HubSplit(Split):
    """Which parts of a Hugging Face data set are used.

    Args:
        holdout: fraction of ``train`` that is held out where there is no ``test``; nothing of a stream.
        train: part to learn from, such as "train" or "train[:10%]".
        test: held-out part; None: a fraction of ``train``.
    """

    train: str = "train"
    test: str | None = None


@dataclass(frozen=True)
class Windows(OptionGroup):
    """How recordings and videos are cut.

    Args:
        stride: seconds from the start of one window to the next; None: no overlap.
    """

    group = "windows"
    stride: float | int | None = None


@dataclass(frozen=True)
class TextWindows(OptionGroup):
    """How texts are cut.

    Args:
        stride: symbols from one start to the next in the training part; None: no overlap, as in the test part.
        min_length: symbols; shorter windows are left out, except where a document has no other.
        first: only the first window of each document.
        closed: every window closes with the end symbol, as a text of its own.
    """

    group = "windows"
    stride: int | None = None
    min_length: int = 16
    first: bool = False
    closed: bool = False


@dataclass(frozen=True)
class Spectrogram(OptionGroup):
    """A log-mel spectrogram; of waveforms, the one that tables compare with.

    Args:
        mels: number of bands.
        hop_ms: milliseconds from one frame to the next.
        window_ms: milliseconds of sound in a frame.
    """

    group = "spectrogram"
    mels: int = 40
    hop_ms: float | int = 10
    window_ms: float | int = 25


@dataclass(frozen=True)
class UnreadableFiles(OptionGroup):
    """What happens to files that cannot be read.

    Args:
        action: "skip" leaves them out, "error" stops.
        max_share: largest fraction that is left out before stopping all the same.

    Raises:
        ValueError: another action, or no such fraction.
    """

    group = "unreadable"
    action: str = "skip"
    max_share: float | int = 0.05

    def __post_init__(self) -> None:
        if self.action not in ("skip", "error"):
            raise ValueError(f"expected unreadable.action=skip or unreadable.action=error, got {self.action!r}")
        if not 0 <= self.max_share <= 1:
            raise ValueError(f"expected unreadable.max_share as a fraction from 0 to 1, got {self.max_share}")

    @property
    def limit(self) -> float | int:
        """Largest fraction that may be left out."""
        return 0.0 if self.action == "error" else self.max_share


@dataclass(frozen=True)
class CacheFolder(OptionGroup):
    """Where files are kept for the next run.

    Args:
        folder: ``~/.cache/ssl_pipeline`` by default.
    """

    group = "cache"
    folder: str | Path | None = None


@dataclass(frozen=True)
class Cache(CacheFolder):
    """How files are decoded and kept.

    Args:
        folder: of the mapped file; ``~/.cache/ssl_pipeline`` by default.
        in_memory: true: samples in memory; false: in a mapped file; "auto": in a file if decoding takes over 2 s.
        workers: decoding threads; None: as many as processors.

    Raises:
        ValueError: ``in_memory`` is something else.
    """

    in_memory: bool | str = "auto"
    workers: int | None = None

    def __post_init__(self) -> None:
        if self.in_memory not in (True, False, "auto"):
            raise ValueError(f"expected cache.in_memory to be auto, true or false, got {self.in_memory!r}")

    @property
    def threads(self) -> int:
        return self.workers or os.cpu_count() or 1
