"""Short texts of bytes and one that fills its cells, and where their symbols come from."""

from __future__ import annotations

import torch
from helpers import byte_texts

from ssl_pipeline.data.codecs.text import Bytes
from ssl_pipeline.structures.batch import View

END, MASK = 256, 257
CODEC = Bytes(32)
BYTES = CODEC.grid
TEXTS = ("the cat sat on the mat", "Hi", "", "to be, or not to be", " a  b\tc\n", "no")
WINDOW = "an endless text that is cut here"


def texts(*strings: str) -> View:
    """Each string closed by the end symbol and padded with it; one that fills the grid is a window without an end."""
    return byte_texts.texts(*strings, codec=CODEC)


def read(view: View) -> list[str]:
    """What is valid, as text: ``$`` is the end symbol, ``_`` the mask token."""
    rows = zip(view.x, view.valid, strict=True)
    return ["".join({END: "$", MASK: "_"}.get(s, chr(s % 256)) for s in x[valid].tolist()) for x, valid in rows]


def assert_cells_come_from_their_origin(view: View, clean: View, moved: torch.Tensor) -> None:
    place = (view.source_coords[..., 0] - 0.5).expand(view.x.shape)
    torch.testing.assert_close(place[moved], place[moved].round())
    assert torch.equal(view.x[moved], clean.x.gather(1, place.round().long().clamp(0, 31))[moved])
