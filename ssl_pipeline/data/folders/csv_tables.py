"""A table of numbers in a file, or in the files of a folder."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Classes, Data, Dataset, holdout
from ssl_pipeline.data.codecs.table import TableCodec
from ssl_pipeline.data.folders.tree import Tree
from ssl_pipeline.data.in_python.labels import numbered_labels
from ssl_pipeline.data.io.table_file import TableFile, is_number
from ssl_pipeline.data.memory import MemoryDataset
from ssl_pipeline.data.options import Options, Split
from ssl_pipeline.data.table import TableRows, rows_of

TABLE_ENDINGS = (".csv", ".tsv", ".tab", ".csv.gz", ".tsv.gz")
_WHOLE = re.compile(r"-?(0|[1-9]\d*)(\.0*)?")
"""A class that is a number: 01 is a name."""


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
    if header not in (True, False, "auto"):
        raise ValueError(f"expected header to be auto, true or false, got {header!r}")
    if missing not in ("error", "mean"):
        raise ValueError(f"expected missing to be error or mean, got {missing!r}")
    name, parts = _files(Path(root).expanduser(), header, label)
    chosen = _chosen(parts, label, columns)
    train, test, classes = _parts(parts, chosen, label, missing)
    if test is None:
        train, test = holdout(train, split.holdout, split.seed)
    fill = missing == "mean"
    codec = TableCodec.of(chosen, rows_of(train, whole=True), fill)
    rows = Data(grid=codec.grid, train=train, test=test, classes=classes, name=name)
    return TableRows(rows, codec, fill).read_with(codec)


def _files(root: Path, header: bool | str, label: str | None) -> tuple[str, dict[str, list[TableFile]]]:
    """Name of the table, and the files of each part."""
    if not root.exists():
        raise FileNotFoundError(
            f"there is no file or folder {str(root)!r}: set data.root to a table, or to a folder of tables"
        )
    if root.is_file():
        return root.stem, {"train": [TableFile.read(root, header, label)]}
    tree = Tree.of(root, TABLE_ENDINGS, labels=False, thing="table")
    parts = ["train", "test"] if tree.has_test else ["train"]
    return tree.name, {part: [TableFile.read(path, header, label) for path in tree.paths(part)] for part in parts}


def _chosen(
    parts: Mapping[str, Sequence[TableFile]], label: str | None, columns: Sequence[str | int] | None
) -> list[str]:
    """The columns to learn from.

    Raises:
        ValueError: files of other columns, a column without a name, that of the labels, or fewer than two.
    """
    first, *others = (file for files in parts.values() for file in files)
    if label is not None:
        first.check_names([label])
    if columns is None:
        for file in others:
            file.check_names(first.names)
            first.check_names(file.names)
        if "" in first.names:
            raise ValueError(
                f"{str(first.path)!r} has a column without a name, as an index is written: name it, leave it out of "
                f"the file, or say which columns to learn from with data.columns"
            )
    chosen = [one for one in first.names if one != label] if columns is None else [str(one) for one in columns]
    if label in chosen:
        raise ValueError(
            f"data.label names {label!r}, which is also a column that is learnt from: name another column of labels, "
            f"or leave it out of data.columns"
        )
    if len(chosen) < 2:
        raise ValueError(f"expected at least two columns of numbers to learn from, got {chosen}: name more")
    return chosen


def _parts(
    parts: Mapping[str, Sequence[TableFile]], chosen: Sequence[str], label: str | None, missing: str
) -> tuple[Dataset, Dataset | None, Classes]:
    """What to learn from and what is held out, in the columns' units, and the names of the classes."""
    classes, found, start = None, {}, 0
    labels = None if label is None else _labels(parts, label)
    for part, files in parts.items():
        x = torch.from_numpy(np.concatenate([file.numbers(chosen, missing) for file in files])).unsqueeze(1)
        numbered = None
        if labels is not None:
            numbered, classes = numbered_labels(labels[part], len(x), classes)
        found[part] = MemoryDataset(x, numbered, torch.arange(start, start + len(x)))
        start += len(x)
    return found["train"], found.get("test"), classes


def _labels(parts: Mapping[str, Sequence[TableFile]], label: str) -> dict[str, list[Any]]:
    """Labels of each row: whole numbers where all are, else texts.

    Raises:
        ValueError: one is missing, or numbers with a fraction.
    """
    found = {part: [one for file in files for one in file.texts(label)] for part, files in parts.items()}
    every = {one for some in found.values() for one in some}
    if all(map(_WHOLE.fullmatch, every)):
        return {part: [int(float(one)) for one in some] for part, some in found.items()}
    if all(map(is_number, every)) and (fraction := next((one for one in every if not float(one).is_integer()), None)):
        raise ValueError(f"column {label!r} holds no labels but numbers such as {fraction}: round them to classes")
    return found
