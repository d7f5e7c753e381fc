"""Samples to embed, in order, with what is known of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ssl_pipeline.data import Data, Dataset, Stream, sequential_batches
from ssl_pipeline.data.base import Classes
from ssl_pipeline.inference.files.reader import Files
from ssl_pipeline.structures.batch import Batch


class Rows(NamedTuple):
    """Some samples and what is known of them."""

    x: Tensor
    valid: Tensor | None
    columns: dict[str, list[Any]]


class RowSource:
    """Rows of a folder of files, or of the parts of a data set.

    Args:
        source: files, or parts of a data set by name.
        batch_size: samples that are read at once.
        limit: number of samples at most.
        classes: names of the labels of a data set.

    Attributes:
        count: of samples; None where it is known only once they are read.
    """

    def __init__(
        self,
        source: Files | dict[str, Dataset | Stream],
        batch_size: int = 256,
        limit: int | None = None,
        classes: Classes = None,
    ) -> None:
        self.source, self.batch_size, self.limit, self.classes = source, batch_size, limit, classes
        self.count = _count(source, limit)

    def rows(self, start: int = 0) -> Iterator[Rows]:
        """From one sample on, up to the limit."""
        before = 0
        for rows in self._all():
            n = len(rows.x)
            first, last = max(0, start - before), n if self.limit is None else min(n, self.limit - before)
            before += n
            if first < last:
                valid = None if rows.valid is None else rows.valid[first:last]
                columns = {name: column[first:last] for name, column in rows.columns.items()}
                yield Rows(rows.x[first:last], valid, columns)
            if self.limit is not None and before >= self.limit:
                return

    def _all(self) -> Iterator[Rows]:
        if isinstance(self.source, Files):
            return _of_files(self.source, self.batch_size)
        return _of_parts(self.source, self.batch_size, self.limit, self.classes)


def parts_of(data: Data, split: str) -> dict[str, Dataset | Stream]:
    """The training part, the test part or both.

    Raises:
        ValueError: there is no test part.
    """
    parts = {"train": data.train, "test": data.test}
    found = {name: part for name, part in parts.items() if part is not None and split in (name, "all")}
    if not found:
        raise ValueError("this data set has no test part: set split=train")
    return found


def _count(source: Files | dict[str, Dataset | Stream], limit: int | None) -> int | None:
    if isinstance(source, Files):
        count = None if source.sound or source.video else len(source.files)
    else:
        sizes = [None if isinstance(part, Stream) else len(part) for part in source.values()]
        count = None if None in sizes else sum(sizes)  # pyright: ignore[reportArgumentType, reportCallIssue]
    if count is None or limit is None:
        return limit if count is None else count
    return min(count, limit)


def _of_files(files: Files, batch_size: int) -> Iterator[Rows]:
    windows = files.windows()
    while some := [*islice(windows, batch_size)]:
        masks = [torch.ones_like(one.x[:, 0], dtype=torch.bool) if one.valid is None else one.valid for one in some]
        valid = None if all(one.valid is None for one in some) else torch.cat(masks)
        yield Rows(torch.cat([one.x for one in some]), valid, {"id": [one.name for one in some]})


def _of_parts(
    parts: dict[str, Dataset | Stream], batch_size: int, limit: int | None, classes: Classes
) -> Iterator[Rows]:
    for name, part in parts.items():
        first, files = 0, getattr(part, "files", None)
        for batch in sequential_batches(part, batch_size, limit):
            places = range(first, first + len(batch.x))
            ids = [f"{name}/{i}" if files is None else files[i] for i in places]
            yield Rows(batch.x, batch.valid, {"id": ids} | _known(batch, getattr(part, "paths", None), classes))
            first += len(batch.x)


def _known(batch: Batch, paths: Sequence[str] | None, classes: Classes) -> dict[str, list[Any]]:
    """What is known of samples besides themselves; of a missing label nothing."""
    columns: dict[str, list[Any]] = {"source": batch.source.tolist()}
    if paths is not None:
        columns["path"] = [paths[source] for source in columns["source"]]
    if batch.label is not None:
        columns["label"] = [label if label >= 0 else None for label in batch.label.tolist()]
        if classes is not None:
            columns["label_name"] = [None if label is None else classes[label] for label in columns["label"]]
    return columns
