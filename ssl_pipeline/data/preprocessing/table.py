"""How rows of a table become samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_CODE = """\
import json

import numpy as np

about = json.load(open("preprocessor_config.json"))
rows = np.array([about["mean"]])  # (B, F): rows of your own, their columns in the order of about["columns"]
if rows.shape[1:] != (len(about["columns"]),):
    raise ValueError(f"expected rows of {len(about['columns'])} columns, got {rows.shape}: see about['columns']")
x = (rows - about["mean"]) / about["std"]
"""
_FILL = "x = np.where(np.isnan(x), 0, x).astype(np.float32)[:, None]"
_REFUSE = """\
if np.isnan(x).any():
    raise ValueError("expected a number in each cell, got NaN: fill or leave out such rows")
x = x.astype(np.float32)[:, None]"""


@dataclass(frozen=True)
class TablePreprocessing:
    """Rows, each column less its mean and divided by its standard deviation.

    Args:
        columns: their names, in order.
        mean: of each column.
        std: likewise.
        fill: whether a missing number becomes the mean of its column.
    """

    columns: Sequence[str]
    mean: Sequence[float]
    std: Sequence[float]
    fill: bool

    def config(self) -> dict[str, Any]:
        """Columns and scales."""
        scales = {"columns": list(self.columns), "mean": list(self.mean), "std": list(self.std)}
        missing = "mean" if self.fill else "refused"
        return {"type": "table", "missing": missing, **scales, "input": f"x (B, 1, {len(self.columns)}) float32"}

    def sentences(self) -> list[str]:
        """What is done to each column."""
        missing = "A missing number becomes 0." if self.fill else "No number may be missing."
        return [
            f"`x` holds rows of a table, each column less its mean and divided by its standard deviation, in the order "
            f"of the table below. {missing}"
        ]

    def code(self) -> str:
        """With numpy."""
        return _CODE + (_FILL if self.fill else _REFUSE)
