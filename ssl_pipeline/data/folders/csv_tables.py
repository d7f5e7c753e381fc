"""A table of numbers in a file, or in the files of a folder."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Data, check_fraction, held_out
from ssl_pipeline.data.codecs.base import Codec
from ssl_pipeline.data.codecs.table import TableCodec
from ssl_pipeline.data.folders.tree import Tree
from ssl_pipeline.data.in_python.labels import numbered_labels
from ssl_pipeline.data.io.table_file import TableFile
from ssl_pipeline.data.memory import MemoryDataset
from ssl_pipeline.data.options import Options, Split

TABLE_ENDINGS = (".csv", ".tsv", ".tab", ".csv.gz", ".tsv.gz")


class Rows(NamedTuple):
    """Rows of one part.

    Args:
        numbers: in the units of the columns; NaN where one is missing.
        labels: class of each row; None: unlabelled.
        sources: number of each row over both parts.
    """

    numbers: Float[np.ndarray, "N F"]
    labels: Int64[Tensor, "N"] | None
    sources: Int64[Tensor, "N"]

    def __getitem__(self, keep: Tensor) -> Rows:  # pyright: ignore[reportIncompatibleMethodOverride]
        return Rows(self.numbers[keep.numpy()], None if self.labels is None else self.labels[keep], self.sources[keep])


class Table(NamedTuple):
    """Rows of both parts, and how they are scaled.

    Args:
        name: of the table.
        train: rows to learn from.
        test: rows that are held out.
        classes: names of the labels.
        further: columns that are left out.
        codec: scales the others.
    """

    name: str
    train: Rows
    test: Rows | None
    classes: tuple[str, ...] | None
    further: list[str]
    codec: TableCodec

    @property
    def data(self) -> Data:
        """The scaled rows."""
        return Data(
            grid=self.codec.grid,
            train=self._scaled(self.train),
            test=None if self.test is None else self._scaled(self.test),
            classes=self.classes,
            name=self.name,
            codec=self.codec,
            read_with=self.read_with,
        )

    def _scaled(self, rows: Rows) -> MemoryDataset:
        return MemoryDataset(self.codec.encode(rows.numbers)[0], rows.labels, rows.sources)

    def read_with(self, codec: Codec) -> Data:
        """The same rows on the scales of a trained model.

        Raises:
            ValueError: it learnt from other columns.
        """
        if not isinstance(codec, TableCodec):
            return self.data
        if [*codec.columns] != [*self.codec.columns]:
            raise ValueError(
                f"the model learnt from the columns {', '.join(codec.columns)}, and {self.name} is read with "
                f"{', '.join(self.codec.columns)}: set data.columns=[{','.join(codec.columns)}]"
            )
        if self.further:
            left = ", ".join(self.further[:8])
            warnings.warn(
                f"{self.name} has further columns, {left}: the model takes none of them; left out", stacklevel=2
            )
        return self._replace(further=[], codec=codec).data


@register("data", "csv")
def csv(
    root: str,
    label: str | int | None = None,
    columns: Sequence[str | int] | None = None,
    header: bool | str = "auto",
    missing: str = "error",
    split: Split | Options = Split(),
) -> Data:
    """A table, a sample a row, of commas, semicolons or tabs; columns are standardised by the training rows.

    Args:
        root: the file; or a folder, whose files have the same columns, with ``train`` and ``test`` in it or not.
        label: name of the column of labels, for probes alone; None: unlabelled.
        columns: names of the columns to learn from; None: all but that of the labels.
        header: whether the first line names the columns, which else are called 1, 2 ...; "auto": where none of its
            cells is a number.
        missing: missing numbers are an "error", or become the "mean" of their column.
        split: which rows are held out, where no folder ``test`` says it.

    Raises:
        FileNotFoundError: no such file or folder, or no table in it.
        ValueError: a column that there is not, a text or nothing where a number is expected, or another option
            outside its bounds.
    """
    split, label = Split.of(split), None if label is None else str(label)
    check_fraction(split.holdout)
    if header not in (True, False, "auto"):
        raise ValueError(f"expected header to be auto, true or false, got {header!r}")
    if missing not in ("error", "mean"):
        raise ValueError(f"expected missing to be error or mean, got {missing!r}")
    name, parts = _files(Path(root).expanduser(), header)
    first = parts["train"][0]
    chosen = [one for one in first.names if one != label] if columns is None else [str(one) for one in columns]
    if label in chosen:
        raise ValueError(f"data.columns names {label!r}, the column of the labels, which is not learnt from: drop it")
    if len(chosen) < 2:
        raise ValueError(f"expected at least two columns of numbers to learn from, got {chosen}: name more")
    further = [one for one in first.names if one not in (*chosen, label)]
    numbers = {part: np.concatenate([one.numbers(chosen, missing) for one in files]) for part, files in parts.items()}
    train, test, classes = _parts(numbers, _labels(parts, label), split)
    codec = TableCodec.of(chosen, train.numbers, fill=missing == "mean")
    return Table(name, train, test, classes, further, codec).data


def _files(root: Path, header: bool | str) -> tuple[str, dict[str, list[TableFile]]]:
    """Name of the table, and the files of each part."""
    if root.is_file():
        return root.stem, {"train": [TableFile.read(root, header)]}
    tree = Tree.of(root, TABLE_ENDINGS, labels=False, thing="table")
    parts = ["train", "test"] if tree.has_test else ["train"]
    return tree.name, {part: [TableFile.read(path, header) for path in tree.paths(part)] for part in parts}


def _labels(parts: dict[str, list[TableFile]], label: str | None) -> dict[str, list[Any]] | None:
    if label is None:
        return None
    found = {part: [one for file in files for one in file.labels(label)] for part, files in parts.items()}
    if len({type(one) for some in found.values() for one in some}) > 1:  # numbers in one file, texts in another
        found = {part: [str(one) for one in some] for part, some in found.items()}
    return found


def _parts(
    numbers: dict[str, Float[np.ndarray, "N F"]], labels: dict[str, list[Any]] | None, split: Split
) -> tuple[Rows, Rows | None, tuple[str, ...] | None]:
    """What to learn from, what is held out, and the names of the classes."""
    classes, rows, start = None, {}, 0
    for part, some in numbers.items():
        numbered = None
        if labels is not None:
            numbered, classes = numbered_labels(labels[part], len(some), classes)
        rows[part] = Rows(some, numbered, torch.arange(start, start + len(some)))
        start += len(some)
    if "test" in rows or not split.holdout:
        return rows["train"], rows.get("test"), classes
    aside = held_out(rows["train"].sources, split.holdout, split.seed)
    return rows["train"][~aside], rows["train"][aside], classes
