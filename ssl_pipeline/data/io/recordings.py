"""Windows of recordings as a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Int64
from torch import Tensor

from ssl_pipeline.data.base import Index
from ssl_pipeline.data.cache.folder import fingerprint
from ssl_pipeline.data.cache.sound_windows import WINDOWS_VERSION, SoundWindows, load_windows
from ssl_pipeline.data.codecs.sound import SoundCodec
from ssl_pipeline.data.io.sound import read_sound
from ssl_pipeline.data.memory import MemoryDataset
from ssl_pipeline.data.options import Cache
from ssl_pipeline.structures.batch import Batch


class Recordings:
    """Windows as they are stored, and what each was taken from; a codec makes floats of them when they are asked for.

    Args:
        stored: the windows.
        lengths: how many samples of sound each holds.
        codec: that stored them.
        sources: what each was taken from.
        labels: class of each.
        paths: file or name behind each source, where there is one.
        first: number of the first source.
    """

    def __init__(
        self,
        stored: MemoryDataset,
        lengths: Int64[Tensor, "N"],
        codec: SoundCodec,
        sources: Int64[Tensor, "N"],
        labels: Int64[Tensor, "N"] | None = None,
        paths: tuple[str, ...] = (),
        first: int = 0,
    ) -> None:
        self.first = first
        self.stored, self.codec, self.sources, self.labels, self.paths = stored, codec, sources, labels, paths
        self.lengths = lengths if bool((lengths < codec.samples).any()) else None  # None: nothing is padded

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, index: Index) -> Batch:
        index = torch.as_tensor(index, dtype=torch.int64)
        return Batch(
            x=self.codec.expand(self.stored[index].x),
            source=self.sources[index],
            label=None if self.labels is None else self.labels[index],
            valid=self._valid(index),
        )

    def _valid(self, index: Tensor) -> Tensor | None:
        """Of all batches or of none, so that every rank counts what is real where one does."""
        if self.lengths is None:
            return None
        valid = self.codec.valid(self.lengths[index])
        return torch.ones(len(index), *self.codec.grid.shape, dtype=torch.bool) if valid is None else valid


def recordings(
    found: SoundWindows,
    codec: SoundCodec,
    sources: Sequence[str],
    labels: Sequence[int] | None = None,
    first: int = 0,
) -> Recordings:
    """Windows with what is known of their recordings.

    Args:
        found: the windows.
        codec: that stored them.
        sources: name of what each recording belongs to; what must stay on one side of a split has the same name.
        labels: class of each recording.
        first: number of the first source.
    """
    names = sorted(set(sources))
    numbers = {name: number for number, name in enumerate(names, first)}
    label = None if labels is None else torch.tensor(labels, dtype=torch.int64)[found.recording]
    source = torch.tensor([numbers[name] for name in sources])[found.recording]
    return Recordings(found.stored, found.lengths, codec, source, label, tuple(names), first)


def windows_of_files(
    files: Sequence[Path], codec: SoundCodec, stride: float | int | None, cache: Cache, limit: float | int = 0.05
) -> SoundWindows:
    """All windows of the files.

    Raises:
        ValueError: too many of them are unreadable.
    """
    return load_windows(
        read=lambda number: read_sound(files[number]),
        names=[str(file) for file in files],
        key=fingerprint(files, f"sound {WINDOWS_VERSION} {codec} {stride}"),
        codec=codec,
        stride=stride,
        cache=cache,
        limit=limit,
    )
