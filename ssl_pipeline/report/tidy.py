"""Reading the files of step, name and value that a run writes."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple


class Curve(NamedTuple):
    """One number over the steps."""

    steps: list[int]
    values: list[float]


def read_tidy(file: Path) -> dict[str, Curve]:
    """Curves by name; none where there is no file. A last line that was cut off is left out."""
    found: dict[str, Curve] = defaultdict(lambda: Curve([], []))
    if not file.is_file():
        return {}
    with file.open(newline="") as opened:
        for row in csv.DictReader(opened):
            try:
                step, name, value = int(row["step"]), row["name"], float(row["value"])
            except (TypeError, ValueError):
                continue
            found[name].steps.append(step)
            found[name].values.append(value)
    return dict(found)


def under(curves: dict[str, Curve], prefix: str) -> dict[str, Curve]:
    """Those below a prefix, by the rest of their names.

    >>> sorted(under({"diagnostics/gap": Curve([1], [2.0]), "loss": Curve([1], [3.0])}, "diagnostics/"))
    ['gap']
    """
    return {name.removeprefix(prefix): curve for name, curve in curves.items() if name.startswith(prefix)}
