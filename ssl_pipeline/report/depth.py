"""What passed the layers, as maps of depth and time."""

from __future__ import annotations

import numpy as np

from ssl_pipeline.report.pictures import drawn, figure, legend_below, styled
from ssl_pipeline.report.tidy import Curve, under

LAYER_MAPS = {
    "share": ("share of the input", "magma", (0, 1)),
    "rank": ("effective rank", "viridis", (0, None)),
    "magnitude": ("activations, log10", "coolwarm", (-4, 4)),
    "change": ("change since the last look", "magma", (0, 1)),
    "jump": ("change by other samples", "magma", (0, 0.3)),
}
STEP = {
    "gradient": ("gradients, log10", "viridis", (None, None)),
    "weight": ("weights, log10", "viridis", (None, None)),
    "update": ("update / weight, log10", "viridis", (None, None)),
}
MOST = 40
"""Names of layers next to a map, at most."""


def paths(curves: dict[str, Curve]) -> dict[str, str]:
    """A row of maps for each view, and one beyond the encoder."""
    names = list(dict.fromkeys(name.split("/")[0] for name in under(curves, "share/")))
    return {path: image for path in names if (image := _maps(curves, path, LAYER_MAPS))}


def steps(curves: dict[str, Curve]) -> str | None:
    """Gradients, weights and updates of each layer."""
    return _maps(curves, "step", STEP)


def pulls(curves: dict[str, Curve]) -> str | None:
    """How the losses pull at the encoder, and how far they agree."""
    strength, cosines = under(curves, "pull/"), under(curves, "cosine/")
    if not strength:
        return None
    with styled():
        high = 2.4 + 0.16 * max(len(strength), min(len(cosines), 10))
        drawing = figure(7.5 if cosines else 4, high)
        axes = drawing.subplots(1, 2 if cosines else 1, squeeze=False)[0]
        for name, curve in strength.items():
            axes[0].plot(*curve, label=name)
        axes[0].set_yscale("log")
        for axis in axes:
            axis.set_xlabel("step")
        axes[0].set_title("norm of a loss's gradient in the encoder")
        legend_below(axes[0], 1)
        for name, curve in list(cosines.items())[:10]:
            axes[1].plot(*curve, label=name.replace("/", ", "))
        if cosines:
            axes[1].axhline(0, color="0.6", linewidth=1)
            axes[1].set_ylim(-1, 1)
            axes[1].set_title("cosine of two losses' gradients")
            legend_below(axes[1], 1)
    return drawn(drawing)


def _maps(curves: dict[str, Curve], path: str, kinds: dict[str, tuple]) -> str | None:
    found = {kind: under(curves, f"{kind}/{path}/") for kind in kinds}
    found = {kind: some for kind, some in found.items() if some}
    if not found:
        return None
    layers = max(found.values(), key=len)
    high = 0.8 + 0.14 * min(len(layers), 60)
    with styled():
        drawing = figure(2.3 * len(found) + 1.6, high)
        for axis, (kind, some) in zip(drawing.subplots(1, len(found), squeeze=False)[0], found.items(), strict=True):
            title, colours, (low, top) = kinds[kind]
            grid, at = _grid(some, list(layers))
            grid = np.log10(np.maximum(grid, 1e-12)) if kind == "update" else grid
            image = axis.imshow(grid, aspect="auto", cmap=colours, vmin=low, vmax=top, interpolation="nearest")
            drawing.colorbar(image, ax=axis, shrink=0.9)
            axis.set_title(title)
            axis.set_xlabel("step")
            ticks = np.unique(np.linspace(0, len(at) - 1, min(3, len(at))).astype(int))
            axis.set_xticks(ticks, [f"{at[i]}" for i in ticks])
            every = -(-len(layers) // MOST)
            first = axis.get_subplotspec().is_first_col()  # pyright: ignore
            labels = [name.removeprefix("encoder.") for name in layers][::every] if first else []
            axis.set_yticks(range(0, len(layers), every) if first else [], labels, fontsize=6)
    return drawn(drawing)


def _grid(some: dict[str, Curve], layers: list[str]) -> tuple[np.ndarray, list[int]]:
    """Layers by looks; nan where a layer was not looked at."""
    at = sorted({step for curve in some.values() for step in curve.steps})
    column, grid = {step: i for i, step in enumerate(at)}, np.full((len(layers), len(at)), np.nan)
    for i, name in enumerate(layers):
        if name in some:
            for step, value in zip(*some[name], strict=True):
                grid[i, column[step]] = value
    return grid, at
