"""Texts as byte pairs merged into longer symbols, and back."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.codecs.text import BYTE_SYMBOLS, TextCodec
from ssl_pipeline.data.preprocessing.text import TextPreprocessing
from ssl_pipeline.utils.extras import require

# Whitespace stands alone, so that a corruption of whole words finds where they end. The bound keeps a text without
# spaces (Chinese, base64) from being one single word.
_WORDS = r"[ \t\n\r\f\v]|[\p{L}\p{M}]{1,24}|\p{N}{1,3}|[^ \t\n\r\f\v\p{L}\p{M}\p{N}]{1,24}"


@register("codec", "bpe")
class BPE(TextCodec):
    """Byte pairs that are frequent in the training texts, merged again and again (https://arxiv.org/abs/1508.07909).

    Any UTF-8 text comes back as it was; bytes that are no UTF-8 become replacement characters.

    Args:
        length: symbols in a sample.
        merges: pairs of symbols that become one, in this order; a new spelling gets the next number from 256 on.

    Raises:
        ValueError: a pair of symbols that do not exist yet.

    >>> codec = BPE(length=4, merges=[[97, 98], [256, 99]])
    >>> codec.encode([b"abcd ab"])[0].tolist()
    [[257, 100, 32, 256]]
    """

    def __init__(self, length: int, merges: Iterable[Sequence[int]]) -> None:
        spelling = [bytes([value]) for value in range(BYTE_SYMBOLS)]
        known = set(spelling)
        self.merges = [(int(left), int(right)) for left, right in merges]
        for left, right in self.merges:
            if not 0 <= min(left, right) <= max(left, right) < len(spelling):
                raise ValueError(
                    f"the merge {[left, right]} names a symbol that none before it makes: "
                    f"expected numbers from 0 to {len(spelling) - 1}; use the merges of BPE.train as they are"
                )
            if (both := spelling[left] + spelling[right]) not in known:
                known.add(both)
                spelling.append(both)
        super().__init__(length, spelling)
        self._tokenizer = _tokenizer(spelling, self.merges)

    @classmethod
    def train(cls, texts: Iterable[str | bytes], length: int, vocab_size: int = 4096) -> BPE:
        """Learn the merges.

        Args:
            texts: those of the training part only.
            length: symbols in a sample.
            vocab_size: symbols in all; fewer where the texts have no more pairs that occur twice.

        Raises:
            ValueError: ``vocab_size`` has no room for the bytes, the end and the mask.
        """
        require("tokenizers", "text", "tokens=bpe")
        from tokenizers import trainers

        if vocab_size < (least := BYTE_SYMBOLS + 2):
            raise ValueError(f"expected vocab_size to be at least {least} (bytes, end, mask), got {vocab_size}")
        _say_that_threads_are_meant()
        tokenizer = _tokenizer([], [])
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size - 2, min_frequency=2, initial_alphabet=list(_LETTERS), show_progress=False
        )
        tokenizer.train_from_iterator((part for text in texts for part in _parts(_text(text))), trainer)
        number = {letter: value for value, letter in enumerate(_LETTERS)}
        merges = []
        for left, right in json.loads(tokenizer.to_str())["model"]["merges"]:
            merges.append((number[left], number[right]))
            number.setdefault(left + right, len(number))
        return cls(length, merges)

    def preprocessing(self) -> TextPreprocessing:
        number = {spelt: symbol for symbol, spelt in enumerate(self.spelling[: self.end])}
        both = ((a, b, number[self.spelling[a] + self.spelling[b]]) for a, b in self.merges)
        return replace(super().preprocessing(), merges=tuple(both))

    def symbols(self, texts: Sequence[str | bytes]) -> Iterator[np.ndarray]:
        """All symbols of each text."""
        parts = [list(_parts(_text(text))) for text in texts]
        found = self._encoded(part for some in parts for part in some)
        for some in parts:
            yield np.concatenate([np.empty(0, dtype=np.int32), *islice(found, len(some))])

    def _encoded(self, parts: Iterable[str]) -> Iterator[np.ndarray]:
        todo = iter(parts)
        while some := list(islice(todo, 1000)):
            if len(some) == 1:  # no threads, which a forked worker must not start
                found = [self._tokenizer.encode(some[0])]
            else:
                _say_that_threads_are_meant()
                found = self._tokenizer.encode_batch_fast(some)
            yield from (np.asarray(one.ids, dtype=np.int32) for one in found)

    def plain(self) -> dict[str, Any]:
        """``type``, ``length`` and ``merges``."""
        merges = [list(pair) for pair in self.merges]
        return {"type": "bpe", "length": self.length, "merges": merges}


def _letters() -> str:
    # The library works on characters, so each byte needs one that can be printed: these are its own.
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = (value for value in range(BYTE_SYMBOLS) if value not in printable)
    letter = {value: chr(value) for value in printable} | {v: chr(BYTE_SYMBOLS + i) for i, v in enumerate(others)}
    return "".join(letter[value] for value in range(BYTE_SYMBOLS))


_LETTERS = _letters()


def _tokenizer(spelling: Sequence[bytes], merges: Sequence[tuple[int, int]]) -> Any:
    require("tokenizers", "text", "tokens=bpe")
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    names = ["".join(_LETTERS[value] for value in some) for some in spelling]
    vocab = {name: number for number, name in enumerate(names)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[(names[left], names[right]) for left, right in merges]))
    words = pre_tokenizers.Split(Regex(_WORDS), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(  # pyright: ignore[reportAttributeAccessIssue]
        [words, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    return tokenizer


def _text(text: str | bytes) -> str:
    return text if isinstance(text, str) else text.decode(errors="replace")


def _parts(text: str) -> Iterator[str]:
    # The library keeps some hundred bytes for each symbol of a text until it has read all of it.
    for part in re.finditer(r"(?s).{1,10000}(?:[ \n]|\Z)|.{1,10000}", text):
        yield part[0]


def _say_that_threads_are_meant() -> None:
    # Without a choice the library warns at each later fork, such as that of a worker.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
