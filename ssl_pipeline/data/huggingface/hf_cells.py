"""Cells of a table that hold a file: its bytes, its path, or both by these names."""

from __future__ import annotations

from io import BytesIO
from typing import Any


def cell_content(value: Any) -> Any:
    """The bytes in memory, or else the path; a cell that holds something else is handed back.

    >>> cell_content({"path": "a.png", "bytes": None})
    'a.png'
    """
    if isinstance(value, dict):
        value = value.get("path") if value.get("bytes") is None else value["bytes"]
    return BytesIO(value) if isinstance(value, bytes) else value
