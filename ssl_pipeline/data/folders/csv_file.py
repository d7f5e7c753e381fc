"""A file of comma-separated numbers."""

from __future__ import annotations

from csv import Error, reader
from pathlib import Path

import numpy as np
import torch

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Data, check_fraction, held_out
from ssl_pipeline.data.in_python.arrays import array_part
from ssl_pipeline.data.in_python.parts import Reading, data_of_parts
from ssl_pipeline.data.options import Options, Split

_ROWS_A_CLASS = 10
"""Whole numbers are taken for labels where each stands for so many rows on average."""


@register("data", "csv")
def csv(root: str, labels: bool | str = "auto", standardise: bool = True, split: Split | Options = Split()) -> Data:
    """A table of numbers, a sample a row; a first row that holds no numbers names the columns.

    Args:
        root: the file.
        labels: take the last column as labels; "auto": where it holds texts, or few different whole numbers.
        standardise: bring each column to mean 0 and deviation 1 in the training part.
        split: which rows are held out.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a table of numbers, or labels=true of a last column that cannot be labels.
    """
    split, path = Split.of(split), Path(root).expanduser()
    check_fraction(split.holdout)
    if labels not in (True, False, "auto"):
        raise ValueError(f"expected labels to be auto, true or false, got {labels!r}")
    first, rows = _rows(path)
    last = [row[-1].strip() for row in rows]
    if labels == "auto":
        labels = len(rows[0]) > 2 and _are_labels(last)
    x = _numbers(path, first, [row[:-1] for row in rows] if labels else rows)
    if standardise:
        learnt = x
        if split.holdout:
            learnt = x[~held_out(torch.arange(len(x)), split.holdout, split.seed).numpy()]
        std = learnt.std(0)
        x = (x - learnt.mean(0)) / np.where(std > 0, std, 1)
    names = [int(one) if _is_whole(one) else one for one in last]
    if len({type(one) for one in names}) > 1:
        names = last
    part = array_part(torch.from_numpy(x.astype(np.float32)), names if labels else None)
    return data_of_parts(path.stem, part, None, Reading(split=split))


def _rows(path: Path) -> tuple[int, list[list[str]]]:
    """Number of the first line of numbers, and all lines that are not blank, of one length."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r}: set data.root to a CSV file")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in reader(file) if any(cell.strip() for cell in row)]
    except (UnicodeDecodeError, Error) as error:
        raise ValueError(f"{str(path)!r} is no CSV file in UTF-8: {error}") from None
    header = bool(rows) and not any(_is_number(cell) for cell in rows[0])
    rows = rows[header:]
    if not rows:
        raise ValueError(f"{str(path)!r} holds no rows of numbers: set data.root to another file")
    for line, row in enumerate(rows, start=1 + header):
        if len(row) != len(rows[0]):
            raise ValueError(f"row {line} of {str(path)!r} has {len(row)} columns, the first one {len(rows[0])}")
    return 1 + header, rows


def _numbers(path: Path, first: int, rows: list[list[str]]) -> np.ndarray:
    for line, row in enumerate(rows, start=first):
        for column, cell in enumerate(row, start=1):
            if not _is_number(cell):
                raise ValueError(f"row {line}, column {column} of {str(path)!r} is no finite number: {cell!r}")
    return np.array(rows, dtype=np.float64)


def _is_number(cell: str) -> bool:
    try:
        return bool(np.isfinite(float(cell)))
    except ValueError:
        return False


def _is_whole(cell: str) -> bool:
    return cell.strip().removeprefix("-").isdigit()


def _are_labels(cells: list[str]) -> bool:
    if not all(map(_is_number, cells)):
        return not any(map(_is_number, cells))
    return all(map(_is_whole, cells)) and len(set(cells)) * _ROWS_A_CLASS <= len(cells)
