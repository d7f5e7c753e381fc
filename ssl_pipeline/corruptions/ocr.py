"""OCR: symbols read as others that look alike."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

import torch
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._letters import LetterCorruption, chance, edited, with_room
from ssl_pipeline.corruptions._tokens import BYTES, content
from ssl_pipeline.corruptions.base import Range
from ssl_pipeline.structures.batch import View

_PAIRS = """o:0ce 0:oO O:0Q l:1Ii 1:lI I:l1 i:lj j:i S:5 5:S s:5 B:8 8:B Z:2 2:Z z:2 g:9q 9:g q:g G:6C 6:Gb b:6h h:bn
    n:hu u:nv v:uy y:v c:eo e:co t:f f:t D:O Q:O C:G E:F F:E P:F T:7 7:T a:o .:, ,:."""

ALIKE = {pair[0]: pair[2:] for pair in _PAIRS.split()}
"""What is read in place of a symbol."""


@lru_cache(maxsize=1)
def _table() -> tuple[Tensor, Tensor]:
    """Of each symbol, those that look like it (258, 3), and how many they are (258,)."""
    alike, count = torch.zeros(BYTES + 2, 3, dtype=torch.long), torch.zeros(BYTES + 2, dtype=torch.long)
    for symbol, others in ALIKE.items():
        alike[ord(symbol), : len(others)] = torch.tensor([*others.encode()])
        count[ord(symbol)] = len(others)
    return alike, count


@register("corruption", "ocr")
class OCR(LetterCorruption):
    """Letters and digits are read as others that look alike: o and 0, l and 1, S and 5, B and 8, c and e ...

    Errors of text recognition (correcting them: https://arxiv.org/abs/1906.10907). Texts of bytes only; what is not
    ASCII stays, so that UTF-8 stays UTF-8, and without ``merge`` the length stays, too.

    Args:
        ratio: probability that a symbol which looks like another one is read as such, a number or an interval drawn
            from per sample.
        merge: whether rn is read as m and m as rn, likewise; the rest of the text moves together or, where the grid
            has room, apart.
        severity: 1 to 5, likewise, in place of ``ratio``: 0.02, 0.05, 0.1, 0.2 and 0.35. Both None: [1, 5].

    Raises:
        ValueError: no text of bytes; an option outside its bounds; both ``ratio`` and ``severity``.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("position", 6), vocab=258, mask_token=257, end_token=256)
    >>> view = clean_view(grid, torch.tensor([[*b"BSZ 8", 256]]))
    >>> bytes(OCR(ratio=1.0).bind(grid)(view, torch.Generator()).x[0, :5].tolist())
    b'852 B'
    """

    levels: ClassVar = {"ratio": (0.02, 0.05, 0.1, 0.2, 0.35)}

    def __init__(self, *, ratio: Range | None = None, merge: bool = False, severity: Range | None = None) -> None:
        super().__init__(ratio, severity)
        self.merge = merge

    def __call__(self, view: View, generator: torch.Generator) -> View:
        ratio = self.drawn(len(view.x), generator)["ratio"]
        params = {**view.params, "ratio": ratio}
        alike, count = (part.to(view.x.device) for part in _table())
        which = (torch.rand(view.x.shape, generator=generator, device=view.x.device) * count[view.x]).long()
        wrong = chance(view.x, ratio, generator) & (count[view.x] > 0)
        if view.valid is not None:
            wrong = wrong & view.valid
        read = torch.where(wrong, alike[view.x, which], view.x)
        if not self.merge:
            return view._replace(x=read, params=params)
        return self._merged(view, read, ratio, generator)._replace(params=params)

    def _merged(self, view: View, read: Tensor, ratio: Tensor, generator: torch.Generator) -> View:
        """rn and m are looked for in the text as it was, and take what else was read there."""
        text = content(view, self.grid)
        read, wrong = read.gather(1, text.cells), chance(text.x, ratio, generator) & text.inside
        r, n, m = (text.x == ord(letter) for letter in "rnm")
        nothing = torch.zeros_like(n[:, :1])
        pair = r & wrong & torch.cat([(n & text.inside)[:, 1:], nothing], 1)
        gone = torch.cat([nothing, pair[:, :-1]], 1)
        parted = with_room(m & wrong, gone, text, generator)
        first = read.masked_fill(pair, ord("m")).masked_fill(parted, ord("r"))
        return edited(view, text, self.grid, first, gone, parted, read.masked_fill(parted, ord("n")))
