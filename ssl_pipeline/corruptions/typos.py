"""Typos: slips of the fingers on a keyboard."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._letters import (
    LetterCorruption,
    chance,
    edited,
    is_letter,
    leaving_some,
    with_room,
)
from ssl_pipeline.corruptions._tokens import BYTES, Content, content
from ssl_pipeline.corruptions.base import Range
from ssl_pipeline.structures.batch import View

KINDS = ("neighbour", "delete", "double", "swap")
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_SHIFT = (0.0, 0.25, 0.75)  # of a row to the right, in keys


def keyboard() -> dict[str, str]:
    """The letters around each letter of a QWERTY keyboard.

    >>> keyboard()["s"], keyboard()["p"]
    ('weadzx', 'ol')
    """
    place = {key: (row, column + _SHIFT[row]) for row, keys in enumerate(_ROWS) for column, key in enumerate(keys)}
    found = {}
    for key, (row, column) in place.items():
        near = [o for o, (r, c) in place.items() if o != key and abs(r - row) <= 1 and abs(c - column) <= 1]
        found[key] = "".join(near)
    return found


@lru_cache(maxsize=1)
def _table() -> tuple[Tensor, Tensor]:
    """Of each symbol, the letters around it (258, 8), and how many they are (258,)."""
    near, count = torch.zeros(BYTES + 2, 8, dtype=torch.long), torch.ones(BYTES + 2, dtype=torch.long)
    for key, letters in keyboard().items():
        for change in (str.lower, str.upper):
            near[ord(change(key)), : len(letters)] = torch.tensor([*change(letters).encode()])
            count[ord(change(key))] = len(letters)
    return near, count


@register("corruption", "typos")
class Typos(LetterCorruption):
    """Letters are mistyped, left out, typed twice or before the one they follow (https://arxiv.org/abs/1711.02173).

    Letters are A to Z and a to z of texts of bytes; all else stays, so that UTF-8 stays UTF-8. The text moves together
    and its end with it. A letter is not doubled where the grid has no room; a text never loses all of its symbols.

    Args:
        ratio: probability that a letter goes wrong, a number or an interval drawn from per sample.
        kinds: of mistakes, each as likely: ``neighbour`` (a letter next to it on a QWERTY keyboard, of the same case),
            ``delete``, ``double``, ``swap`` (with the letter after it, where there is one).
        severity: 1 to 5, likewise, in place of ``ratio``: 0.02, 0.05, 0.1, 0.15 and 0.25. Both None: [1, 5].

    Raises:
        ValueError: no text of bytes; an option outside its bounds; an unknown kind; both ``ratio`` and ``severity``.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("position", 4), vocab=258, mask_token=257, end_token=256)
    >>> view = clean_view(grid, torch.tensor([[*b"abc", 256]]))
    >>> bytes(Typos(ratio=1.0, kinds=["swap"]).bind(grid)(view, torch.Generator()).x[0, :3].tolist())
    b'bac'
    """

    levels: ClassVar = {"ratio": (0.02, 0.05, 0.1, 0.15, 0.25)}

    def __init__(
        self, *, ratio: Range | None = None, kinds: Sequence[str] = KINDS, severity: Range | None = None
    ) -> None:
        super().__init__(ratio, severity)
        if not kinds or not {*kinds} <= {*KINDS}:
            raise ValueError(f"kinds are among {', '.join(KINDS)}, got {list(kinds)}: name one or more of them")
        self.kinds = tuple(kinds)

    def __call__(self, view: View, generator: torch.Generator) -> View:
        text, device = content(view, self.grid), view.x.device
        ratio = self.drawn(len(view.x), generator)["ratio"]
        wrong = chance(text.x, ratio, generator) & text.inside & is_letter(text.x)
        number = torch.tensor([KINDS.index(kind) for kind in self.kinds], device=device)
        kind = number[torch.randint(len(self.kinds), text.x.shape, generator=generator, device=device)]
        near, double, swap = (wrong & (kind == KINDS.index(name)) for name in ("neighbour", "double", "swap"))
        text, swapped = _swapped(text, swap)
        gone = leaving_some(wrong & (kind == KINDS.index("delete")) & ~swapped, text)
        twice = with_room(double & ~swapped, gone, text, generator)
        letters, count = (part.to(device) for part in _table())
        which = (torch.rand(text.x.shape, generator=generator, device=device) * count[text.x]).long()
        first = torch.where(near & ~swapped, letters[text.x, which], text.x)
        return edited(view, text, self.grid, first, gone, twice)._replace(params={**view.params, "ratio": ratio})


def _swapped(text: Content, swap: Bool[Tensor, "B N"]) -> tuple[Content, Bool[Tensor, "B N"]]:
    """The text with some letters and those after them in each other's place, and which these are."""
    letter = is_letter(text.x) & text.inside
    nothing = torch.zeros_like(swap[:, :1])
    swap = swap & torch.cat([letter[:, 1:], nothing], 1)
    odd = _run_position(swap) % 2 == 1  # of letters in a row that would swap, every second one does
    swap = swap & ~odd
    second = torch.cat([nothing, swap[:, :-1]], 1)
    order = text.index + swap.long() - second.long()
    return text._replace(x=text.x.gather(1, order), cells=text.cells.gather(1, order)), swap | second


def _run_position(kind: Bool[Tensor, "B N"]) -> Int64[Tensor, "B N"]:
    """How many of the kind stand in a row before a cell of it.

    >>> _run_position(torch.tensor([[True, True, False, True]]))
    tensor([[0, 1, 0, 0]])
    """
    index = torch.arange(kind.shape[1], device=kind.device).expand(kind.shape)
    last_other = index.masked_fill(kind, -1).cummax(1).values
    return (index - last_other - 1).clamp(min=0)
