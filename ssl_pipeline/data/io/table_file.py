"""Files of comma-, semicolon- or tab-separated values as columns with names."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from ssl_pipeline.utils.errors import nearest

MISSING = ["", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "?"]
"""Cells that count as missing."""
_DELIMITERS = "\t;|,"
"""What may stand between cells; the first one that does counts, since commas may be those of decimals."""


@dataclass(frozen=True)
class TableFile:
    """A file that has been read.

    Attributes:
        path: of the file.
        table: of pyarrow's; its columns have the names of the header, or 1, 2 ... where there is none.
        guessed: whether the first line was found to hold no names.
    """

    path: Path
    table: Any
    guessed: bool = False

    @classmethod
    def read(cls, path: Path, header: bool | str = "auto", label: str | None = None) -> TableFile:
        """Read a file in UTF-8.

        Args:
            path: of the file.
            header: whether the first line names the columns; "auto": where none of its cells is a number.
            label: a column that is read as texts.

        Raises:
            ValueError: no table, lines of different lengths, or two columns of one name.
        """
        import pyarrow
        from pyarrow import csv as reader

        delimiter, first, above = _first_line(path)
        if guessed := header == "auto":
            header = not any(map(is_number, first))
        names = [name.strip() for name in first] if header else [str(i + 1) for i in range(len(first))]
        if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
            raise ValueError(f"{str(path)!r} has two columns {twice[0]!r}: rename one of them")
        reading = reader.ReadOptions(column_names=names, skip_rows=above + bool(header))
        types = {} if label is None else {label: pyarrow.string()}
        converting = reader.ConvertOptions(null_values=MISSING, column_types=types)
        try:
            with _opened(path, "rb") as file:
                table = reader.read_csv(file, reading, reader.ParseOptions(delimiter=delimiter), converting)
        except pyarrow.ArrowInvalid as error:
            raise ValueError(f"{str(path)!r} cannot be read as a table: {' '.join(str(error).split())}") from None
        if not table.num_rows:
            raise ValueError(f"{str(path)!r} holds no rows: set data.root to another file")
        return cls(path, table, guessed and not header)

    @property
    def names(self) -> list[str]:
        return self.table.column_names

    def check_names(self, wanted: Sequence[str]) -> None:
        """Refuse a file without some columns.

        Raises:
            ValueError: one is missing; says which columns there are.
        """
        if lost := [name for name in wanted if name not in self.names]:
            raise ValueError(
                f"{str(self.path)!r} has no column {', '.join(map(repr, lost[:5]))}; {nearest(lost[0], self.names)}"
            )

    def numbers(self, columns: Sequence[str], missing: str) -> Float[np.ndarray, "N F"]:
        """Columns of numbers; what is missing is NaN.

        Args:
            columns: their names.
            missing: "mean" lets missing numbers through, "error" refuses them.

        Raises:
            ValueError: a text, an infinite number or, with "error", a missing one; says in which row and column.
        """
        self.check_names(columns)
        return np.stack([self._column(name, missing) for name in columns], axis=1)

    def _column(self, name: str, missing: str) -> Float[np.ndarray, "N"]:
        import pyarrow.types as is_

        column = self.table[name]
        kind = column.type
        if not (is_.is_integer(kind) or is_.is_floating(kind) or is_.is_boolean(kind) or is_.is_null(kind)):
            raise ValueError(self._no_number(name))
        x = column.cast("float64", safe=False).to_numpy().astype(np.float64)  # of whole numbers above 2^53 the nearest
        if missing == "error" and np.isnan(x).any():
            raise ValueError(
                f"{self._place(int(np.isnan(x).argmax()), name)} is missing: fill it in, remove the row, or set "
                f"data.missing=mean for the mean of the column"
            )
        if np.isinf(x).any():
            raise ValueError(f"{self._place(int(np.isinf(x).argmax()), name)} is infinite: correct it")
        return x

    def _no_number(self, name: str) -> str:
        """What is wrong with a column that is not one of numbers."""
        cells = self.table[name].to_pylist()
        row = next((i for i, cell in enumerate(cells) if str(cell) not in MISSING and not is_number(str(cell))), 0)
        advice = (
            f"correct it, name the column as data.label={name} if it holds labels, or leave it out with data.columns"
        )
        if re.fullmatch(r"-?\d+,\d+", str(cells[row])):
            advice = "write decimal points in place of commas"
        elif row == 0 and self.guessed:
            advice += "; if the first line names the columns, set data.header=true"
        return f"{self._place(row, name)} is no number but {str(cells[row])!r}: {advice}"

    def texts(self, name: str) -> list[str]:
        """A column as it is written, without spaces around.

        Raises:
            ValueError: no such column, or a cell is empty.
        """
        self.check_names([name])
        found = ["" if cell is None else str(cell).strip() for cell in self.table[name].to_pylist()]
        if "" in found:
            raise ValueError(f"{self._place(found.index(''), name)} is missing: fill in the label or remove the row")
        return found

    def _place(self, row: int, name: str) -> str:
        return f"row {row + 1} (the header not counted), column {name!r} of {str(self.path)!r}"


def _opened(path: Path, mode: str, **options: Any) -> Any:
    """A file, uncompressed as it is read."""
    return (gzip.open if path.suffix.lower() == ".gz" else open)(path, mode, **options)


def _first_line(path: Path) -> tuple[str, list[str], int]:
    """The character between cells, the cells of the first line that holds some, and how many empty ones precede it.

    Raises:
        ValueError: an empty file, or not in UTF-8.
    """
    try:
        with _opened(path, "rt", newline="", encoding="utf-8-sig") as file:
            above, line = next(((i, line) for i, line in enumerate(file) if line.strip()), (0, ""))
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError) as error:
        raise ValueError(f"{str(path)!r} is no table in UTF-8 ({error}): save it as CSV in UTF-8") from None
    if not line:
        raise ValueError(f"{str(path)!r} is empty: set data.root to another file")
    cells = {mark: next(csv.reader([line], delimiter=mark)) for mark in _DELIMITERS}
    delimiter = next((mark for mark in cells if len(cells[mark]) > 1), ",")
    return delimiter, cells[delimiter], above


def is_number(cell: str) -> bool:
    """Whether a cell is a number as files hold it: in digits 0 to 9, without no-break spaces and underscores.

    >>> is_number("1e-3"), is_number("1_000")
    (True, False)
    """
    try:
        float(cell)
    except ValueError:
        return False
    return cell.isascii() and "_" not in cell
