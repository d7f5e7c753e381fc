"""How texts become symbols."""

from __future__ import annotations

from dataclasses import dataclass
from string import Template
from typing import Any

_BYTES = """\
import numpy as np

texts = ["A tree has branches."]


def symbols_of(text):
    return list(text.encode())

"""
_PAIRS = """\
import json
import re
import unicodedata

import numpy as np

texts = ["A tree has branches."]
merges = json.load(open("preprocessor_config.json"))["merges"]  # in this order: [left, right, the symbol they become]
known = {(left, right): (rank, both) for rank, (left, right, both) in enumerate(merges)}


def symbols_of(text):
    kinds = "".join(" " if c in " \\t\\n\\r\\f\\v" else unicodedata.category(c)[0].replace("M", "L") for c in text)
    words = [text[word.start() : word.end()] for word in re.finditer(r" |L{1,24}|N{1,3}|[^ LN]{1,24}", kinds)]
    for symbols in map(list, map(str.encode, words)):
        while found := [(*known[pair], i) for i, pair in enumerate(zip(symbols, symbols[1:])) if pair in known]:
            _, both, i = min(found, key=lambda one: (one[0], one[2]))  # of the earliest merge the leftmost pair
            symbols[i : i + 2] = [both]
        yield from symbols

"""
_ROWS = Template("""
x = np.full((len(texts), $length), $end, dtype=np.int64)
for row, text in zip(x, texts):
    symbols = list(symbols_of(text))[:$length]
    row[: len(symbols)] = symbols
ends = x == $end
valid = ends.cumsum(axis=1) - ends == 0  # False = behind the end""")


@dataclass(frozen=True)
class TextPreprocessing:
    """Texts as symbols: those below 256 are bytes of UTF-8.

    Args:
        length: symbols in a sample.
        vocab: symbols in all.
        end: symbol that closes a text.
        mask: symbol in masked places.
        merges: two symbols and the one that they become, in this order; None: there are bytes alone.
    """

    length: int
    vocab: int
    end: int
    mask: int
    merges: tuple[tuple[int, int, int], ...] | None = None

    def config(self) -> dict[str, Any]:
        """The vocabulary, too."""
        about = {
            "type": "text",
            "encoding": "utf-8",
            "model_max_length": self.length,
            "vocab_size": self.vocab,
            "eos_token_id": self.end,
            "pad_token_id": self.end,
            "mask_token_id": self.mask,
            "input": f"x (B, {self.length}) int64, valid (B, {self.length}) bool",
        }
        return about if self.merges is None else about | {"merges": [list(merge) for merge in self.merges]}

    def sentences(self) -> list[str]:
        """From the text to its symbols."""
        what = "Symbols 0 to 255 are the bytes of a text in UTF-8"
        if self.merges is not None:
            what += (
                "; its words (a blank, up to 24 letters and marks, up to 3 digits, up to 24 others) are merged as "
                "`merges` in `preprocessor_config.json` say"
            )
        return [
            f"{what}. The symbol {self.end} closes a text and fills up to {self.length} symbols; `valid` is True up "
            f"to its first. What is longer is cut and has no end. {self.mask} stands for a masked symbol."
        ]

    def code(self) -> str:
        """With Python alone."""
        return (_BYTES if self.merges is None else _PAIRS) + _ROWS.substitute(length=self.length, end=self.end)
