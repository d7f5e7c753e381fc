"""Diacritics: letters lose their accents."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import ClassVar

import torch
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._letters import LetterCorruption, chance, edited
from ssl_pipeline.corruptions._tokens import content
from ssl_pipeline.corruptions.base import Range
from ssl_pipeline.structures.batch import View

_FIRST, _CODES = 0xC0, 0xC0  # U+00C0 to U+017F: two bytes of UTF-8 each, the first of them C3, C4 or C5
_STROKES = {"Ø": "O", "ø": "o", "Đ": "D", "đ": "d", "Ħ": "H", "ħ": "h", "ı": "i", "Ł": "L", "ł": "l", "Ŧ": "T",
            "ŧ": "t", "ŀ": "l", "Ŀ": "L", "ſ": "s"}  # fmt: skip


def plain_letter(letter: str) -> str | None:
    """The letter of A to Z and a to z under an accent or stroke; None where there is none.

    >>> plain_letter("é"), plain_letter("ł"), plain_letter("ß")
    ('e', 'l', None)
    """
    base = _STROKES.get(letter) or unicodedata.normalize("NFD", letter)[0]
    return base if base.isascii() and base.isalpha() else None


@lru_cache(maxsize=1)
def _table() -> Tensor:
    """The plain letters of U+00C0 to U+017F (192,), 0 where there is none."""
    return torch.tensor([ord(plain_letter(chr(_FIRST + i)) or "\0") for i in range(_CODES)])


@register("corruption", "diacritics")
class Diacritics(LetterCorruption):
    """Latin letters lose their accents, as ASCII keyboards and old systems write them
    (restoring them: https://arxiv.org/abs/2105.11408).

    Of texts of bytes, each letter of U+00C0 to U+017F that has a plain one of A to Z becomes that: two bytes become
    one, and the rest moves together. Others (ß, æ, combining accents, other scripts) stay.

    Args:
        ratio: probability that such a letter loses its accent, a number or an interval drawn from per sample.
        severity: 1 to 5, likewise, in place of ``ratio``: 0.2, 0.4, 0.6, 0.8 and 1. Both None: [1, 5].

    Raises:
        ValueError: no text of bytes; an option outside its bounds; both ``ratio`` and ``severity``.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("position", 6), vocab=258, mask_token=257, end_token=256)
    >>> view = clean_view(grid, torch.tensor([[*"café".encode(), 256]]))
    >>> Diacritics(ratio=1.0).bind(grid)(view, torch.Generator()).x
    tensor([[ 99,  97, 102, 101, 256, 256]])
    """

    levels: ClassVar = {"ratio": (0.2, 0.4, 0.6, 0.8, 1.0)}

    def __init__(self, *, ratio: Range | None = None, severity: Range | None = None) -> None:
        super().__init__(ratio, severity)

    def __call__(self, view: View, generator: torch.Generator) -> View:
        text = content(view, self.grid)
        ratio = self.drawn(len(view.x), generator)["ratio"]
        lead, follow = text.x[:, :-1], text.x[:, 1:]
        code = (lead - 0xC0) * 64 + (follow - 0x80) - _FIRST  # 110xxxxx 10yyyyyy
        two = (lead >= 0xC3) & (lead <= 0xC5) & (follow >= 0x80) & (follow < 0xC0) & text.inside[:, 1:]
        plain = _table().to(code.device)[code.clamp(0, _CODES - 1)]
        wrong = two & (plain > 0) & chance(text.x, ratio, generator)[:, :-1]
        nothing = torch.zeros_like(text.closed)
        first = torch.cat([torch.where(wrong, plain, lead), text.x[:, -1:]], 1)
        out = edited(view, text, self.grid, first, torch.cat([nothing, wrong], 1))
        return out._replace(params={**view.params, "ratio": ratio})
