"""Whatever data is passed in Python, recognised: a tensor, an array, a data set, a loader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, TensorDataset, default_collate

from ssl_pipeline.data.base import Classes, Data
from ssl_pipeline.data.codecs.table import FEATURE
from ssl_pipeline.data.in_python.arrays import array_part, as_tensor
from ssl_pipeline.data.in_python.hub import hub_part, is_hub, splits
from ssl_pipeline.data.in_python.items import items_part
from ssl_pipeline.data.in_python.loaders import check_loader, keeps_order, loader_part, loaders_of
from ssl_pipeline.data.in_python.parts import PythonPart, Reading, data_of_parts
from ssl_pipeline.data.in_python.samples import sample_kind
from ssl_pipeline.structures.grid import GridSpec

ACCEPTED = (
    "a folder, a table, the name of a data set, a tensor, an array, a Dataset or DataLoader of torch, a Dataset of "
    "Hugging Face or a LightningDataModule"
)


class PythonData(NamedTuple):
    """Data that was passed in Python.

    Args:
        data: as the pipeline takes it.
        kind: what its samples are, a key of ``config.suitable.SUITABLE``.
        description: it is, in words that a run's configuration keeps.
        batch_size: of a loader.
    """

    data: Data
    kind: str
    description: str
    batch_size: int | None


def python_data(
    data: Any, labels: Any = None, options: Mapping[str, Any] = {}, like: GridSpec | None = None
) -> PythonData:
    """Recognise data, and make it the pipeline's.

    Args:
        data: a tensor or array, a map-style data set or a list of items, a loader, a data set of Hugging Face's, a
            ``LightningDataModule``.
        labels: one for each sample, for probes alone; None: those that the data knows.
        options: of ``Reading``, such as ``split.holdout``.
        like: grid of a trained model that is to take the samples; its range and its symbols are theirs.

    Raises:
        ValueError: an object of another type, an empty one, samples that are no numbers of one shape, labels that do
            not fit.

    >>> found = python_data(np.zeros((30, 1, 8, 8)), labels=[0, 1] * 15)
    >>> found.description, found.kind, len(found.data.train), found.data.classes
    ('array (30, 1, 8, 8)', 'numbers', 27, ('0', '1'))
    """
    reading = Reading.of(options).suiting(like)
    train, test = _parts(_as_rows(data) if like is not None and like.names == (FEATURE,) else data)
    learnt = _part(train, reading, labels)
    if learnt.codec is not None:
        reading = replace(reading, range=learnt.codec.range)  # the test part is read alike
    held_out = None if test is None else _part(test, reading, classes=learnt.classes or ())
    found = data_of_parts(type(data).__name__, learnt, held_out, reading, like)
    batch_size = None if isinstance(data, IterableDataset) else getattr(train, "batch_size", None)
    return PythonData(found, sample_kind(learnt.seen), description_of(data, train), batch_size)


def description_of(data: Any, train: Any = None) -> str:
    """Data in words.

    Args:
        data: as it was passed.
        train: its training part, where it has parts.

    >>> description_of([1, 2])
    'list of 2 items'
    """
    train = data if train is None else train
    if isinstance(data, Tensor | np.ndarray):
        return f"{'tensor' if isinstance(data, Tensor) else 'array'} {tuple(data.shape)}"
    if isinstance(data, IterableDataset):
        return type(data).__name__
    inside: Any = train.dataset if isinstance(train, DataLoader) else train
    count = f" of {len(inside):,} items" if hasattr(inside, "__len__") else ""
    return " of ".join(dict.fromkeys(type(one).__name__ for one in (data, train, inside))) + count


def _parts(data: Any) -> tuple[Any, Any]:
    """What to learn from, and what to test on; None where a part of the first is to be set aside.

    Raises:
        ValueError: an object of another type.
    """
    if is_hub(data):
        return splits(data)
    if hasattr(data, "train_dataloader") and hasattr(data, "prepare_data"):
        return loaders_of(data)
    if isinstance(data, IterableDataset):
        return DataLoader(data, batch_size=64), None
    if hasattr(data, "to_numpy"):
        raise ValueError(
            f"expected a tensor or an array, got {type(data).__name__}: pass data.to_numpy(dtype='float64'), "
            f"or write it with data.to_csv(FILE, index=False) and pass the file's name"
        )
    by_number = (
        hasattr(data, "__getitem__") and hasattr(data, "__len__") and not isinstance(data, str | bytes | Mapping)
    )
    if by_number or isinstance(data, DataLoader):
        return data, None
    raise ValueError(f"expected data to be {ACCEPTED}, got {type(data).__name__}")


def _as_rows(data: Any) -> Any:
    """Whole numbers (B, F) as rows of a table, which else would be symbols."""
    if not isinstance(data, Tensor | np.ndarray) or data.ndim != 2:
        return data
    x = as_tensor(data)
    return x if x.is_floating_point() else x.double()


def _part(data: Any, reading: Reading, labels: Any = None, classes: Classes = None) -> PythonPart:
    """One part, in the way that costs least."""
    if isinstance(data, Tensor | np.ndarray):
        return array_part(as_tensor(data), labels, classes)
    if is_hub(data):
        return hub_part(data, reading, labels, classes)
    collate = None
    if isinstance(data, DataLoader):
        check_loader(data)
        if keeps_order(data):
            if labels is not None:
                raise ValueError(
                    "labels= belong to samples by number, and this loader has an order of its own: drop them"
                )
            return loader_part(data, reading)
        data, collate = data.dataset, data.collate_fn
        collate = None if collate is default_collate else collate
    if isinstance(data, TensorDataset) and collate is None and len(data.tensors) <= 2:
        tensors = list(data.tensors)
        known = [one for one in tensors[1:] if one.ndim == 1 and not one.is_floating_point()]
        return array_part(as_tensor(tensors[0]), known[0] if labels is None and known else labels, classes)
    return items_part(data, reading, labels, classes, collate)
