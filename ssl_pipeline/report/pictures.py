"""Figures and files as text that stands in a page by itself."""

from __future__ import annotations

import base64
from contextlib import AbstractContextManager
from io import BytesIO
from typing import TYPE_CHECKING, Any

from ssl_pipeline.utils.extras import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
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
    import matplotlib

    return matplotlib.rc_context(STYLE)


def figure(wide: float, high: float, what: str = "report.html") -> Figure:
    """An empty one.

    Args:
        wide: in inches.
        high: in inches.
        what: needs it.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    require("matplotlib", "report", what)
    from matplotlib.figure import Figure

    with styled():
        return Figure(figsize=(wide, high), layout="constrained")


def legend_below(axis: Axes, columns: int = 2, **more: Any) -> None:
    """Names of what is drawn, below the axes, where they lie on nothing."""
    axis.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.12 if not axis.get_xlabel() else -0.24), ncols=columns, **more
    )


def drawn(shown: Figure, kind: str = "svg") -> str:
    """A figure as a data URI; ``png`` for one of many pixels."""
    file = BytesIO()
    with styled():
        shown.savefig(file, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
    return inside(file.getvalue(), "image/svg+xml" if kind == "svg" else "image/png")


def inside(content: bytes, kind: str) -> str:
    """A file as a data URI."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
