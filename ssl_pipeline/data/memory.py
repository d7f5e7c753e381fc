"""Sets that lie in memory, or in one mapped file, and are served as whole batches by index."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Int64, Shaped
from torch import Tensor

from ssl_pipeline.data.base import Index
from ssl_pipeline.structures.batch import Batch, Column


class MemoryDataset:
    """Samples of any modality as one tensor.

    Args:
        x: samples, `N` of them, first dimension first.
        labels: class of each sample.
        source: what each sample was taken from; each its own by default.
        valid: False at padding.
        paths: file behind each source, where there is one.
        files: name of the file behind each sample, where each has one.
        columns: what else belongs to each sample, by name.

    Raises:
        ValueError: parts of different lengths.

    >>> dataset = MemoryDataset(torch.arange(6, dtype=torch.uint8).view(6, 1, 1, 1))
    >>> dataset[[4, 2]].source
    tensor([4, 2])
    """

    def __init__(
        self,
        x: Shaped[Tensor, "N ..."],
        labels: Int64[Tensor, "M"] | None = None,
        source: Int64[Tensor, "M"] | None = None,
        valid: Bool[Tensor, "M ..."] | None = None,
        paths: tuple[str, ...] | None = None,
        columns: Mapping[str, Column] = {},
        files: Sequence[str] | None = None,
    ) -> None:
        parts = ((f"column {name}", column.x) for name, column in columns.items())
        for name, part in (("labels", labels), ("source", source), ("valid", valid), *parts):
            if part is not None and len(part) != len(x):
                raise ValueError(f"expected {name} for each of the {len(x)} samples, got {len(part)}")
        self.x = x
        self.labels = labels
        self.sources = torch.arange(len(x)) if source is None else source
        self.valid = valid
        self.paths = paths
        self.columns = columns
        self.files = files

    def of_sources(
        self, source: Int64[Tensor, "N"], paths: tuple[str, ...] | None, files: Sequence[str]
    ) -> MemoryDataset:
        """The same samples, of these sources and files; arguments as of the class."""
        other = copy(self)
        other.sources, other.paths, other.files = source, paths, files
        return other

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, index: Index) -> Batch:
        index = torch.as_tensor(index, dtype=torch.int64)

        def pick(part: Tensor) -> Tensor:
            # index_select copies whole rows; x[index] on uint8 images was measured 25 times slower.
            return part.index_select(0, index)

        return Batch(
            x=pick(self.x),
            source=self.sources[index],
            label=None if self.labels is None else pick(self.labels),
            valid=None if self.valid is None else pick(self.valid),
            columns={name: column.of(pick) for name, column in self.columns.items()},
        )


class MappedDataset(MemoryDataset):
    """Samples in a ``.npy`` file that is mapped, not read: larger than memory, and shared by all processes."""

    def __init__(
        self,
        file: Path,
        labels: Int64[Tensor, "N"] | None = None,
        source: Int64[Tensor, "N"] | None = None,
        paths: tuple[str, ...] | None = None,
    ) -> None:
        super().__init__(_map(file), labels, source, paths=paths)
        self.file = file

    def __getstate__(self) -> dict:
        # A worker process maps the file itself; without this, spawning one would copy all samples.
        return {key: value for key, value in self.__dict__.items() if key != "x"}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self.x = _map(self.file)


class Expanded:
    """Samples that are stored in less room than floats, which are made of them when they are asked for.

    Args:
        stored: the samples.
        expand: makes floats of some of them.

    >>> Expanded(MemoryDataset(torch.tensor([[[[8]]]], dtype=torch.int16)), torch.Tensor.float)[[0]].x.item()
    8.0
    """

    def __init__(self, stored: MemoryDataset, expand: Callable[[Tensor], Tensor]) -> None:
        self.stored, self.expand = stored, expand
        self.labels, self.sources, self.paths = stored.labels, stored.sources, stored.paths
        self.files = stored.files

    def of_sources(self, source: Int64[Tensor, "N"], paths: tuple[str, ...] | None, files: Sequence[str]) -> Expanded:
        """See ``MemoryDataset``."""
        return Expanded(self.stored.of_sources(source, paths, files), self.expand)

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, index: Index) -> Batch:
        batch = self.stored[index]
        return batch._replace(x=self.expand(batch.x))


def _map(file: Path) -> Tensor:
    # "c" (copy on write): torch wants writable memory, the file must stay as it is.
    return torch.from_numpy(np.load(file, mmap_mode="c", allow_pickle=False))
