"""Loaders of torch's and modules of Lightning's: their data sets, or their batches as they come."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, RandomSampler, SequentialSampler, get_worker_info
from torch.utils.data.distributed import DistributedSampler

from ssl_pipeline.data.in_python.items import named
from ssl_pipeline.data.in_python.parts import PythonPart, Reading
from ssl_pipeline.data.in_python.samples import on_grid
from ssl_pipeline.data.loaders import as_batch
from ssl_pipeline.structures.batch import Batch


class LoaderStream:
    """Batches of a loader, cut anew into those of a step; when it ends, it begins again.

    Its order is the loader's own. To begin at a later step it reads past the samples of the earlier ones.

    Args:
        loader: of batches that ``as_batch`` understands.
        reading: names of what its batches hold.
    """

    def __init__(self, loader: DataLoader, reading: Reading) -> None:
        self.loader, self.reading = loader, reading

    def batches(self, batch_size: int, seed: int, step: int, rank: int, world: int) -> Iterator[Batch]:
        """This rank's rows of each global batch, from ``step`` on, without end.

        Raises:
            ValueError: the loader gives nothing, or has workers where it is read by one.
        """
        if get_worker_info() is not None and self.loader.num_workers:
            raise ValueError("this loader has workers of its own, which a worker cannot start: set hardware.workers=0")
        part = batch_size // world
        rows = slice(rank * part, (rank + 1) * part)
        for batch in islice(_cut(self._endless(), batch_size), step, None):
            yield _rows(batch, rows)

    def in_order(self, batch_size: int) -> Iterator[Batch]:
        """What one pass of the loader gives."""
        yield from _cut(self._once(), batch_size)

    def _once(self) -> Iterator[Batch]:
        for batch in self.loader:
            found = as_batch(named(batch, self.reading))
            yield found._replace(x=on_grid(found.x), columns={})

    def _endless(self) -> Iterator[Batch]:
        for _ in count():
            empty = True
            for batch in self._once():
                empty = False
                yield batch
            if empty:
                name = type(self.loader.dataset).__name__
                raise ValueError(
                    f"{name} gives no more samples when it is read again: its __iter__ must begin anew each time"
                )


def keeps_order(loader: DataLoader) -> bool:
    """Whether a loader has an order of its own: its set is only read in order, or its sampler is one of the user's."""
    sampler = loader.sampler
    plain = isinstance(sampler, SequentialSampler) or (
        type(sampler) is RandomSampler and not sampler.replacement and sampler.num_samples == len(sampler.data_source)
    )
    return isinstance(loader.dataset, IterableDataset) or not plain or loader.batch_size is None


def check_loader(loader: DataLoader) -> None:
    """Refuse a loader that cannot be read by every rank, or not twice.

    Raises:
        ValueError: with what to do instead.
    """
    if any(isinstance(getattr(of, "sampler", None), DistributedSampler) for of in (loader, loader.batch_sampler)):
        raise ValueError("this loader has a DistributedSampler, and a run deals samples to its devices itself: drop it")
    rows = loader.dataset
    if isinstance(rows, IterableDataset) and iter(rows) is (again := iter(rows)) and again is not rows:
        raise ValueError(
            f"{type(rows).__name__} can be read once, since its __iter__ returns the same iterator each time: make a "
            f"new one there, as a generator function does"
        )


def loader_part(loader: DataLoader, reading: Reading) -> PythonPart:
    """A loader as it is.

    Raises:
        ValueError: it gives nothing, or what has no samples in it.
    """
    first = next(iter(loader), None)
    if first is None:
        raise ValueError("expected a loader of batches, got none: is the data set empty?")
    return PythonPart(LoaderStream(loader, reading), as_batch(named(first, reading)).x)


def loaders_of(module: Any) -> tuple[Any, Any]:
    """The loaders of a ``LightningDataModule``, to learn from and to test on; None where it has none to test on.

    Raises:
        ValueError: it gives several.
    """
    module.prepare_data()
    module.setup("fit")
    train = module.train_dataloader()
    inherited = type(module).val_dataloader.__module__.partition(".")[0] in ("lightning", "pytorch_lightning")
    own = not inherited or "val_dataloader" in vars(module)  # which ``from_datasets`` sets on the object
    test = module.val_dataloader() if own else None
    test = test[0] if isinstance(test, list | tuple) and len(test) == 1 else test
    for name, loader in (("train", train), ("val", test)):
        if not isinstance(loader, DataLoader | None):
            raise ValueError(f"expected one DataLoader of {name}_dataloader(), got {type(loader).__name__}")
    return train, test


def _cut(batches: Iterator[Batch], size: int) -> Iterator[Batch]:
    """The same samples in batches of another size, the last one as short as it comes."""
    held: list[Batch] = []
    have = 0
    for batch in batches:
        held.append(batch)
        have += len(batch.x)
        while have >= size:
            whole = _joined(held)
            yield _rows(whole, slice(0, size))
            held, have = [_rows(whole, slice(size, None))], have - size
    if have:
        yield _joined(held)


def _joined(batches: list[Batch]) -> Batch:
    def cat(name: str) -> Tensor | None:
        parts = [getattr(batch, name) for batch in batches if len(batch.x)]
        return None if any(part is None for part in parts) else torch.cat(parts)

    x = cat("x")
    assert x is not None
    return Batch(x, torch.arange(len(x)), cat("label"), cat("valid"))


def _rows(batch: Batch, rows: slice) -> Batch:
    parts = {name: part[rows] for name, part in batch._asdict().items() if isinstance(part, Tensor)}
    return batch._replace(**parts)
