"""How the numbers of a run went."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ssl_pipeline.report.pictures import drawn, figure, legend_below, styled
from ssl_pipeline.report.probe_table import PROBE_TITLES
from ssl_pipeline.report.tidy import Curve, under

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BASELINES = {"untrained": ("untrained", ":"), "raw": ("raw input", "--")}
LATENT_SIGNS = {
    "std": "standard deviation",
    "spread": "normalised spread",
    "rank": "effective rank",
    "gap": "gap of the views",
}
NOT_LOSSES = ("diagnostics/", "online/", "lr", "samples_per_s", "data_wait", "memory_gb")

NAMED = 12
"""Curves of a panel that are named, at most."""


def losses(curves: Mapping[str, Curve]) -> str | None:
    """The loss and its terms, in logarithms where they span more than a decade."""
    shown = {name: curve for name, curve in curves.items() if not name.startswith(NOT_LOSSES)}
    return _panels({"loss and its terms": shown}) if shown else None


def probe_curves(curves: dict[str, Curve], summary: Mapping[str, Any]) -> str | None:
    """Probes on the way, with the baselines of the end as lines."""
    found = under(curves, "online/")
    shown = [key for key in PROBE_TITLES if key in found]
    if not shown:
        return None
    with styled():
        drawing = figure(3.2 * len(shown), 2.8)
        for axis, key in zip(drawing.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
            axis.plot(*found[key], "o-", markersize=3, label="on the way")
            if key in summary:
                axis.plot([summary["steps"]], [summary[key]], "s", markersize=5, label="at the end")
            for name, (label, line) in BASELINES.items():
                if f"{key}_{name}" in summary:
                    axis.axhline(summary[f"{key}_{name}"], color="0.4", linestyle=line, linewidth=1, label=label)
            axis.set_title(f"{PROBE_TITLES[key]}, %")
            axis.set_xlabel("step")
            legend_below(axis)
    return drawn(drawing)


def latents(curves: dict[str, Curve]) -> str | None:
    """Spread, rank and gap of the views' embeddings."""
    found = under(curves, "diagnostics/")
    panels = {title: under(found, f"{sign}/") or under(found, sign) for sign, title in LATENT_SIGNS.items()}
    panels = {title: some for title, some in panels.items() if some}
    return _panels(panels) if panels else None


def machine(curves: Mapping[str, Curve]) -> str | None:
    """Learning rate, speed, waiting and memory."""
    names = {
        "lr": "learning rate",
        "samples_per_s": "samples/s",
        "data_wait": "share of time waiting for data",
        "memory_gb": "memory, GB",
    }
    panels = {title: {"": curves[name]} for name, title in names.items() if name in curves}
    return _panels(panels) if panels else None


def _panels(panels: Mapping[str, Mapping[str, Curve]]) -> str:
    with styled():
        most = max(len(some) if any(some) and len(some) <= NAMED else 0 for some in panels.values())
        high = (2.4 if len(panels) > 1 else 3.0) + 0.16 * ((most + 1) // 2)
        drawing = figure(3.2 * max(len(panels), 1.6), high)
        for axis, (title, some) in zip(drawing.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
            for name, curve in some.items():
                bold = name == "loss"
                axis.plot(*curve, linewidth=2 if bold else 1, color="k" if bold else None, label=name or None)
            axis.set_title(title)
            axis.set_xlabel("step")
            _scale(axis, some)
            if any(some) and len(some) <= NAMED:
                legend_below(axis)
    return drawn(drawing)


def _scale(axis: Axes, some: Mapping[str, Curve]) -> None:
    values = [value for curve in some.values() for value in curve.values]
    if values and min(values) > 0 and max(values) > 10 * min(values) and "loss" in some:
        axis.set_yscale("log")
