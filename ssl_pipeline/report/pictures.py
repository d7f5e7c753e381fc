"""Figures and files as text that stands in a page by itself."""

from __future__ import annotations

import base64
from contextlib import AbstractContextManager
from io import BytesIO
from typing import Any

import matplotlib
from matplotlib.figure import Figure

STYLE: Any = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 8,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "figure.constrained_layout.use": True,
    "svg.fonttype": "path",
}


def styled() -> AbstractContextManager[None]:
    """The look of all figures, for a while."""
    return matplotlib.rc_context(STYLE)


def figure(wide: float, high: float) -> Figure:
    """An empty one, in inches."""
    with styled():
        return Figure(figsize=(wide, high), layout="constrained")


def drawn(shown: Figure, kind: str = "svg") -> str:
    """A figure as a data URI; ``png`` for one of many pixels."""
    file = BytesIO()
    with styled():
        shown.savefig(file, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
    return inside(file.getvalue(), "image/svg+xml" if kind == "svg" else "image/png")


def inside(content: bytes, kind: str) -> str:
    """A file as a data URI."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
