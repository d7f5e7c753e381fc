"""Where the samples lie in the latent space, and along how many directions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from sklearn.decomposition import PCA

from ssl_pipeline.report.pictures import drawn, figure, legend_below, styled
from ssl_pipeline.utils.extras import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINED = 40
"""Samples whose views are joined by lines."""

NAMED = 12
"""Labels that are named next to a map, at most."""


def latent_map(
    clean: np.ndarray,
    labels: np.ndarray | None,
    names: Sequence[str] | None,
    views: Mapping[str, np.ndarray],
    method: str = "pca",
) -> str:
    """Embeddings in two dimensions, coloured by label or source, and by view.

    Args:
        clean: (N, D) of clean samples.
        labels: (N,) of these; None where there are none.
        names: of the labels.
        views: by name (M, D), row i of all from sample i.
        method: ``pca``, or ``umap`` where umap-learn is installed.

    Raises:
        ModuleNotFoundError: it is not.
        ValueError: another method.
    """
    with styled():
        drawing = figure(7.5, 3.8)
        left, right = drawing.subplots(1, 2)
        flat, axes = _flat(clean, method)
        _coloured(left, flat, labels, names)
        left.set_title("clean samples" + axes)
        stacked, axes = _flat(np.concatenate([*views.values()]), method)
        parts = np.split(stacked, len(views))
        for name, part in zip(views, parts, strict=True):
            right.scatter(*part.T, s=5, alpha=0.6, linewidths=0, label=name, rasterized=True)
        if len(parts) > 1:
            for rows in zip(*(part[:LINED] for part in parts), strict=True):
                right.plot(*np.stack(rows).T, color="0.5", linewidth=0.4, zorder=0)
        legend_below(right, 3, markerscale=2)
        right.set_title("the views of samples" + axes)
        for axis in (left, right):
            axis.set_xticks([])
            axis.set_yticks([])
    return drawn(drawing)


def spectra(clean: np.ndarray, views: Mapping[str, np.ndarray]) -> str:
    """Singular values of the embeddings about their mean, each as a share of the largest."""
    with styled():
        drawing = figure(4.2, 3.1)
        axis = drawing.subplots()
        for name, z in {"clean": clean, **views}.items():
            s = np.linalg.svd((z - z.mean(0)).astype(np.float64), compute_uv=False)
            if s[0] < 1e-12:
                continue
            s = s[s > 1e-5 * max(s[0], 1e-30)]  # what is below is rounding
            axis.loglog(range(1, len(s) + 1), s / s[0], linewidth=2 if name == "clean" else 1, label=name)
        axis.set_xlabel("number")
        axis.set_title("singular values / the largest")
        legend_below(axis, 3)
    return drawn(drawing)


def _coloured(axis: Axes, flat: np.ndarray, labels: np.ndarray | None, names: Sequence[str] | None) -> None:
    if labels is None:
        axis.scatter(*flat.T, s=5, alpha=0.6, linewidths=0, color="0.3", rasterized=True)
        return
    import matplotlib

    kinds = np.unique(labels)
    for kind in kinds:
        called = "no label" if kind < 0 else str(kind if names is None else names[int(kind)])
        name = None if len(kinds) > NAMED else called.replace("$", r"\$")  # no formula
        colour = matplotlib.colormaps["tab20" if len(kinds) > 10 else "tab10"](int(np.searchsorted(kinds, kind)) % 20)
        axis.scatter(*flat[labels == kind].T, s=5, alpha=0.7, linewidths=0, color=colour, label=name, rasterized=True)
    if len(kinds) <= NAMED:
        legend_below(axis, 5, markerscale=2, fontsize=6)


def _flat(z: np.ndarray, method: str) -> tuple[np.ndarray, str]:
    """(N, 2), and what the axes are."""
    if method == "pca":
        pca = PCA(2, random_state=0).fit(z)
        return pca.transform(z), f" (PCA, {pca.explained_variance_ratio_.sum():.0%} of the variance)"
    require("umap", "umap", "report.map=umap")
    from umap import UMAP  # pyright: ignore[reportMissingImports]

    return UMAP(random_state=0).fit_transform(z), " (UMAP)"
