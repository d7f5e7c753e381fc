"""The numbers of a summary as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

COLUMNS = {"knn": "kNN-20", "linear": "linear", "few": "few labels", "retrieval": "source found"}
LABELS = (
    ("this encoder", ""),
    ("its teacher", "_teacher"),
    ("untrained encoder", "_untrained"),
    ("raw input", "_raw"),
)
RESTORED = (("snr", "SNR, dB"), ("psnr", "PSNR, dB"), ("accuracy", "% of symbols"))


class Table(NamedTuple):
    """Cells as they are shown."""

    head: list[str]
    rows: list[list[str]]


def probes(summary: Mapping[str, Any]) -> Table:
    """An encoder beside its baselines, in percent; no rows where nothing was probed."""
    shown = [key for key in COLUMNS if key in summary]
    rows = []
    for label, suffix in LABELS:
        if shown and f"{shown[0]}{suffix}" in summary:
            rows.append([label, *(_cell(summary, key, suffix) for key in shown)])
    return Table(["", *(COLUMNS[key] for key in shown)], rows)


def restored(summary: Mapping[str, Any]) -> Table:
    """What the inverse models make of each view, in the first unit that there is."""
    for key, unit in RESTORED:
        views = [name.removeprefix(f"{key}/") for name in summary if name.startswith(f"{key}/")]
        if views:
            exact = any(f"exact/{view}" in summary for view in views)
            names = [f"{key}_input", key, *(["exact"] if exact else [])]
            rows = [[view, *(_number(summary.get(f"{name}/{view}")) for name in names)] for view in views]
            return Table([f"restored ({unit})", "in", "out", *(["exact"] if exact else [])], rows)
    return Table([], [])


def agreeing(summary: Mapping[str, Any]) -> Table:
    """Whether the same content in two templates leads to the same output, and is found again."""
    pairs = [name.removeprefix("divergence/") for name in summary if name.startswith("divergence/")]
    rows = [[pair, f"{summary[f'divergence/{pair}']:.3g}", _number(summary.get(f"found/{pair}"))] for pair in pairs]
    return Table(["same content in two templates", "divergence, nats", "found, %"], rows)


def _cell(summary: Mapping[str, Any], key: str, suffix: str) -> str:
    std = summary.get(f"{key}_std{suffix}")
    return _number(summary.get(key + suffix)) + ("" if std is None else f" ± {std:.1f}")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
