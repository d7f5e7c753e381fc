"""Tables in Markdown, row by row, so that long measurements can print what they have."""

from __future__ import annotations


def table_head(*names: str) -> str:
    """The first two lines.

    >>> print(table_head("", "kNN"), row("ours", 87.6), sep=chr(10))
    | | kNN |
    |---|---|
    | ours | 87.6 |
    """
    return f"{row(*names)}\n{'|---' * len(names)}|"


def row(*cells: object) -> str:
    """A line; what is empty stays empty."""
    return "|" + "".join(f" {cell} |" if str(cell) else " |" for cell in cells)
