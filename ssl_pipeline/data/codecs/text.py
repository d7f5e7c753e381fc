"""Texts as symbols and back: plain bytes, or byte pairs merged into longer symbols."""

from __future__ import annotations

import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.utils.extras import require

_BYTES = 256  # symbols 0 .. 255 are the bytes themselves
_MASK = "█"  # what a hole looks like
# Whitespace stands alone, so that a corruption of whole words finds where they end. The bound keeps a text without
# spaces (Chinese, base64) from being one single word.
_WORDS = r"[ \t\n\r\f\v]|[\p{L}\p{M}]{1,24}|\p{N}{1,3}|[^ \t\n\r\f\v\p{L}\p{M}\p{N}]{1,24}"


class TextCodec(ABC):
    """Texts on a grid of ``length`` symbols: bytes, then longer ones, then the end of a text and the mask.

    Args:
        length: symbols in a sample.
        spelling: bytes of each symbol, the last two not included.

    Attributes:
        spelling: bytes of all symbols as they are shown, a hole included.
        written: bytes of all symbols as they stand in a text, where the end and a hole are nothing.

    Raises:
        ValueError: ``length`` below 1.
    """

    def __init__(self, length: int, spelling: Sequence[bytes]) -> None:
        if length < 1:
            raise ValueError(f"expected a length of at least 1 symbol, got {length}")
        self.length = length
        self.end, self.mask = len(spelling), len(spelling) + 1
        self.spelling = (*spelling, b"", _MASK.encode())
        self.written = (*spelling, b"", b"")

    @property
    def grid(self) -> GridSpec:
        """Positions in a text."""
        return GridSpec.of(
            ("position", self.length), vocab=len(self.spelling), mask_token=self.mask, end_token=self.end
        )

    def resized(self, length: int) -> TextCodec:
        """The same symbols in samples of another length.

        >>> Bytes(4).resized(6).encode(["branches"])[0].shape
        torch.Size([1, 6])
        """
        other = copy(self)
        other.length = length
        return other

    @abstractmethod
    def symbols(self, texts: Sequence[str | bytes]) -> Iterator[np.ndarray]:
        """All symbols ``(L,)`` of each text, without the end."""

    @abstractmethod
    def plain(self) -> dict[str, Any]:
        """``type`` and options, in plain values, from which it can be built again."""

    def encode(self, raw: Sequence[Any]) -> tuple[Int64[Tensor, "B L"], Bool[Tensor, "B L"]]:
        """Samples of texts, and which cells are real; a text that is too long is cut and has no end.

        Raises:
            ValueError: something else than a text.
        """
        if wrong := [one for one in raw if not isinstance(one, (str, bytes))]:
            raise ValueError(f"expected texts as str or bytes, got {type(wrong[0]).__name__}: read or convert it")
        # No more than may be needed; what a cut does to the word that it hits lies beyond.
        enough = self.length * max(map(len, self.spelling)) + 100
        x = torch.full((len(raw), self.length), self.end)
        for row, symbols in zip(x, self.symbols([text[:enough] for text in raw]), strict=True):
            some = symbols[: self.length]
            row[: len(some)] = torch.from_numpy(some.astype(np.int64))
        return x, self.real(x)

    def real(self, x: Int64[Tensor, "B L"]) -> Bool[Tensor, "B L"]:
        """Cells up to the end of the text, this included.

        >>> Bytes(4).real(torch.tensor([[65, 256, 256, 256], [65, 66, 67, 68]])).tolist()
        [[True, True, False, False], [True, True, True, True]]
        """
        ends = x == self.end
        return ends.cumsum(1) - ends.long() == 0

    def decode(self, x: Int64[Tensor, "B L"], valid: Bool[Tensor, "B L"] | None = None) -> list[str]:
        """Texts up to their end; bytes that are no UTF-8 become replacement characters."""
        keep = self.real(x) if valid is None else self.real(x) & valid
        texts = []
        for row, some in zip(x.cpu(), keep.cpu(), strict=True):
            texts.append(b"".join(self.spelling[symbol] for symbol in row[some].tolist()).decode(errors="replace"))
        return texts

    def write(self, path: Path, x: Int64[Tensor, "L"], valid: Bool[Tensor, "L"] | None = None) -> Path:
        """Write one sample as a ``.txt`` file."""
        file = path.with_name(path.name + ".txt")
        text = self.decode(x.unsqueeze(0), None if valid is None else valid.unsqueeze(0))[0]
        file.write_text(text, encoding="utf-8", newline="")
        return file


@register("codec", "bytes")
class Bytes(TextCodec):
    """One symbol for each byte.

    Args:
        length: bytes in a sample.

    >>> codec = Bytes(length=6)
    >>> x, valid = codec.encode(["tree", "branches"])
    >>> x[0].tolist(), valid[0].tolist()
    ([116, 114, 101, 101, 256, 256], [True, True, True, True, True, False])
    >>> codec.decode(x)
    ['tree', 'branch']
    """

    def __init__(self, length: int) -> None:
        super().__init__(length, [bytes([value]) for value in range(_BYTES)])

    def symbols(self, texts: Sequence[str | bytes]) -> Iterator[np.ndarray]:
        """All bytes of each text."""
        for text in texts:
            yield np.frombuffer(text.encode() if isinstance(text, str) else text, dtype=np.uint8)

    def plain(self) -> dict[str, Any]:
        """``type`` and ``length``."""
        return {"type": "bytes", "length": self.length}


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
        spelling = [bytes([value]) for value in range(_BYTES)]
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

        if vocab_size < _BYTES + 2:
            raise ValueError(f"expected vocab_size to be at least {_BYTES + 2} (bytes, end, mask), got {vocab_size}")
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
    others = (value for value in range(_BYTES) if value not in printable)
    letter = {value: chr(value) for value in printable} | {v: chr(_BYTES + i) for i, v in enumerate(others)}
    return "".join(letter[value] for value in range(_BYTES))


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
