"""Shapes of a drawing, each as a piece of SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

HIGH = 28
"""Height of a box."""


def drawing(width: float, height: float, label: str, parts: Sequence[str]) -> str:
    """One SVG of some shapes."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'aria-label="{label}" font-family="system-ui, sans-serif" font-size="12" style="background:#fff">'
        + "".join(parts)
        + "</svg>"
    )


def box(
    x: float, y: float, text: str, *, fill: str, wide: float, round: int = 4, dashed: bool = False, below: str = ""
) -> str:
    """A box round ``y`` with a word in it, and ``below`` it a small one."""
    dash = ' stroke-dasharray="4 3"' if dashed else ""
    size, up = min(12.0, 1.7 * (wide - 8) / max(len(text), 1)), 5 if below else 0
    small = f'<text x="{x + wide / 2}" y="{y + 10:.1f}" font-size="9" text-anchor="middle">{escape(below)}</text>'
    return (
        f'<rect x="{x}" y="{y - HIGH / 2:.1f}" width="{wide}" height="{HIGH}" rx="{round}" fill="{fill}" '
        f'stroke="#666"{dash}/><text x="{x + wide / 2}" y="{y + 4 - up:.1f}" font-size="{size:.1f}" '
        f'text-anchor="middle">{escape(text)}</text>{small if below else ""}'
    )


def tall_box(x: float, top: float, bottom: float, wide: float, lines: Sequence[str]) -> str:
    """A box that all rows pass, with some lines in its middle."""
    first = (top + bottom) / 2 - 8 * len(lines) + 12
    words = "".join(
        f'<text x="{x + wide / 2}" y="{first + 16 * i:.1f}" text-anchor="middle">{escape(line)}</text>'
        for i, line in enumerate(lines)
    )
    size = f'width="{wide}" height="{bottom - top:.1f}"'
    return f'<rect x="{x}" y="{top}" {size} rx="8" fill="#fdf3dd" stroke="#666"/>{words}'


def line(
    x1: float, y1: float, x2: float, y2: float, colour: str, *, dashed: bool = False, title: str = "", head: bool = True
) -> str:
    """A line to the right that begins and ends level, with an arrowhead or going on in another."""
    bend, dash = (x2 - x1) / 2, ' stroke-dasharray="4 3"' if dashed else ""
    width = 2 if title else 1
    return (
        f'<path d="M{x1} {y1:.1f} C{x1 + bend} {y1:.1f} {x2 - bend} {y2:.1f} {x2 - 3 * head} {y2:.1f}" fill="none" '
        f'stroke="{colour}" stroke-width="{width}"{dash}>{_title(title)}</path>'
        f"{_arrowhead(x2, y2, 1, colour) if head else ''}"
    )


def arc(x: float, y1: float, y2: float, out: float, colour: str, *, both: bool, title: str) -> str:
    """A line that leaves to the right and comes back, with an arrowhead at its end or at both."""
    heads = _arrowhead(x, y2, -1, colour) + (_arrowhead(x, y1, -1, colour) if both else "")
    reach = x + out
    return (
        f'<path d="M{x + 3} {y1:.1f} C{reach:.1f} {y1:.1f} {reach:.1f} {y2:.1f} {x + 3} {y2:.1f}" fill="none" '
        f'stroke="{colour}" stroke-width="2">{_title(title)}</path>{heads}'
    )


def head_mark(x: float, y: float, colour: str, title: str) -> str:
    """A small block on a line: what passes a head there."""
    size = 'width="9" height="6"'
    return f'<rect x="{x:.1f}" y="{y - 3:.1f}" {size} rx="1.5" fill="{colour}">{_title(title)}</rect>'


def legend_line(y: float, colour: str, text: str) -> str:
    """What a colour means."""
    return (
        f'<line x1="12" x2="40" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="3"/>'
        f'<text x="48" y="{y + 4}" fill="#333">{escape(text)}</text>'
    )


def _arrowhead(x: float, y: float, way: int, colour: str) -> str:
    back = x - 8 * way
    return f'<path d="M{x} {y:.1f} L{back} {y - 3.5:.1f} L{back} {y + 3.5:.1f} Z" fill="{colour}"/>'


def _title(text: str) -> str:
    return f"<title>{escape(text)}</title>" if text else ""
