"""Texts of bytes: into views and back."""

from __future__ import annotations

from helpers.views import seeded

from ssl_pipeline.corruptions import Corruption
from ssl_pipeline.data.codecs.text import Bytes
from ssl_pipeline.structures.batch import View, clean_view

CODEC = Bytes(48)
GRID = CODEC.grid
FULL = "a text that fills all of its cells and has none."


def texts(*strings: str, codec: Bytes = CODEC) -> View:
    x, valid = codec.encode(strings)
    return clean_view(codec.grid, x, valid)


def read(view: View, codec: Bytes = CODEC) -> list[str]:
    """Strict: a text that is no UTF-8 is an error."""
    rows = zip(view.x.tolist(), view.valid.tolist(), strict=True)
    return [bytes(s for s, there in zip(*row, strict=True) if there and s < 256).decode() for row in rows]


def ends(view: View) -> list[int]:
    """Valid end symbols of each text."""
    return ((view.x == GRID.end_token) & view.valid).sum(1).tolist()


def of_one(part: Corruption, text: str, count: int = 400) -> list[str]:
    return read(part.bind(GRID)(texts(*[text] * count), seeded()))
