"""From rows of numbers to samples whose columns have mean 0 and standard deviation 1, and back."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.preprocessing.table import TablePreprocessing
from ssl_pipeline.structures.grid import GridSpec

FEATURE = "feature"
"""Name of the axis of a table's columns."""
_MANY = 0.05
"""Share of the numbers of a column which are taken for those of another one, or of other units."""


@register("codec", "table")
@dataclass(frozen=True)
class TableCodec:
    """Rows, each column less its mean and divided by its standard deviation, as they are in the training rows.

    Args:
        columns: their names, in order.
        mean: of each column, in its own units.
        std: likewise; 1 of a column that is constant.
        range: of the standardised training rows.
        fill: whether a missing number (NaN) becomes the mean of its column; else it stays.

    Raises:
        ValueError: fewer than two columns, a name that stands twice, or scales that do not fit.

    >>> codec = TableCodec(["width", "height"], mean=[1.0, 2.0], std=[2.0, 1.0], range=(-1.0, 1.0))
    >>> codec.encode(np.array([[3.0, 2.0]]))[0].tolist()
    [[[1.0, 0.0]]]
    >>> codec.decode(torch.tensor([[[1.0, 0.0]]]))
    [{'width': 3.0, 'height': 2.0}]
    """

    columns: Sequence[str]
    mean: Sequence[float]
    std: Sequence[float]
    range: Sequence[float]
    fill: bool = False

    def __post_init__(self) -> None:
        if not len(self.columns) == len(self.mean) == len(self.std):
            raise ValueError(
                f"expected a mean and a standard deviation for each of {len(self.columns)} columns, got "
                f"{len(self.mean)} and {len(self.std)}: restore the file"
            )
        if len(self.columns) < 2:
            raise ValueError(f"expected at least two columns of numbers, got {list(self.columns)}: add some")
        finite = all(map(_is_finite, (*self.mean, *self.std, *self.range)))
        if not finite or len(self.range) != 2 or min(self.std) <= 0 or self.range[0] >= self.range[1]:
            raise ValueError(
                "expected finite means, positive standard deviations and a range from low to high, got others: "
                "restore the file"
            )
        if twice := [name for name in dict.fromkeys(self.columns) if list(self.columns).count(name) > 1]:
            raise ValueError(f"the column {twice[0]!r} stands twice: rename one of them")

    @classmethod
    def of(cls, columns: Sequence[str], rows: Iterable[np.ndarray], fill: bool = False) -> TableCodec:
        """The codec of these training rows, which come in pieces (N, F); missing numbers (NaN) do not count.

        Raises:
            ValueError: a column holds no number at all, or numbers that are too large.

        >>> TableCodec.of(["a", "b"], [np.array([[1.0, 5.0], [3.0, 5.0]])]).std
        [1.0, 1.0]
        """
        count, mean, square = np.zeros((3, len(columns)))  # square: sum of squared distances from the mean
        low, high = np.full(len(columns), np.inf), np.full(len(columns), -np.inf)
        with np.errstate(over="ignore", invalid="ignore"):
            for some in rows:
                present = ~np.isnan(some)
                n, total = present.sum(0), count + present.sum(0)
                step = np.where(present, some - mean, 0).sum(0) / np.maximum(n, 1)  # from the mean so far to theirs
                square += (np.where(present, some - mean - step, 0) ** 2).sum(0)
                square += step**2 * count * n / np.maximum(total, 1)
                mean += step * n / np.maximum(total, 1)
                count = total
                low = np.minimum(low, np.where(present, some, np.inf).min(0))
                high = np.maximum(high, np.where(present, some, -np.inf).max(0))
        if not count.all():
            name = columns[int(np.argmin(count))]
            raise ValueError(f"no training row has a number in column {name!r}: leave it out with data.columns")
        std = np.sqrt(square / count)
        if not np.isfinite(std).all():
            name = columns[int(np.argmin(np.isfinite(std)))]
            raise ValueError(f"column {name!r} holds numbers too large to be scaled: divide them, or leave it out")
        std[std <= 8 * np.spacing(np.abs(mean))] = 1.0  # constant, but for rounding
        bounds = [min(-1.0, float(((low - mean) / std).min())), max(1.0, float(((high - mean) / std).max()))]
        return cls(list(columns), mean.tolist(), std.tolist(), bounds, fill)

    @property
    def grid(self) -> GridSpec:
        low, high = self.range
        return GridSpec.of((FEATURE, len(self.columns)), channels=1, range=(low, high))

    def preprocessing(self) -> TablePreprocessing:
        return TablePreprocessing(self.columns, self.mean, self.std, self.fill)

    def encode(self, raw: Any) -> tuple[Float[Tensor, "B 1 F"], None]:
        """Samples of rows in the units of the columns.

        Args:
            raw: an array or a tensor (B, F); or rows, each a list of F numbers or a dictionary by column.

        Raises:
            ValueError: another number of columns, a column that is missing, or something that is no number.
        """
        if isinstance(raw, Sequence) and raw and all(isinstance(row, Mapping) for row in raw):
            raw = [self._ordered(row) for row in raw]
        try:
            rows = np.asarray(raw.detach().cpu().double() if isinstance(raw, Tensor) else raw, dtype=np.float64)
        except (TypeError, ValueError):
            raise ValueError(f"expected rows of {len(self.columns)} numbers, got other things: convert them") from None
        if rows.ndim != 2 or rows.shape[1] != len(self.columns):
            raise ValueError(
                f"expected rows (B, {len(self.columns)}) of the columns {_some(self.columns)}, got {rows.shape}: pass "
                f"these columns in this order"
            )
        scaled = (rows - np.asarray(self.mean)) / np.asarray(self.std)
        if self.fill:
            scaled = np.where(np.isnan(scaled), 0.0, scaled)
        return torch.from_numpy(scaled.astype(np.float32)).unsqueeze(1), None

    def far_off(self, x: Float[Tensor, "B 1 F"]) -> str | None:
        """A sentence where many standardised rows lie far outside the range of the training rows; None: they do not."""
        low, high = self.range
        far = (x[:, 0] < low - (high - low) / 2) | (x[:, 0] > high + (high - low) / 2)
        shares = far.float().mean(0)
        column, share = int(shares.argmax()), float(shares.max())
        if share < _MANY:
            return None
        name, mean, std = self.columns[column], self.mean[column], self.std[column]
        return (
            f"{share:.0%} of the numbers of column {name!r} are far from those of the training rows, whose mean "
            f"is {mean:.3g} and whose standard deviation {std:.3g}: pass rows in the units and in the order of the "
            f"columns {_some(self.columns)}"
        )

    def _ordered(self, row: Mapping[str, Any]) -> list[Any]:
        if lost := [name for name in self.columns if name not in row]:
            raise ValueError(f"a row has no column {lost[0]!r}: expected {_some(self.columns)}")
        return [row[name] for name in self.columns]

    def decode(self, x: Tensor, valid: Tensor | None = None) -> list[dict[str, float]]:
        """Rows of samples, by column, in the units of the columns."""
        rows = x[:, 0].double().cpu().numpy() * np.asarray(self.std) + np.asarray(self.mean)
        return [dict(zip(self.columns, row.tolist(), strict=True)) for row in rows]

    def write(self, path: Path, x: Tensor, valid: Tensor | None = None) -> Path:
        """Write one sample as a CSV file of one row; ``path`` lacks its ending. A crop, whose columns are unknown, is
        written without names, standardised."""
        file = path.with_name(path.name + ".csv")
        whole = x.shape[-1] == len(self.columns)
        with file.open("w", newline="", encoding="utf-8") as opened:
            csv.writer(opened).writerows([self.columns, self.decode(x[None])[0].values()] if whole else x.tolist())
        return file

    def plain(self) -> dict[str, Any]:
        """``type`` and options, from which it can be built again."""
        return {"type": "table", **asdict(self)}


def _is_finite(number: Any) -> bool:
    try:
        return isfinite(number)
    except (TypeError, OverflowError):
        return False


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
