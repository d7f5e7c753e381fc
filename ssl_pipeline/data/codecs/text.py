"""Texts as symbols and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.preprocessing.text import TextPreprocessing
from ssl_pipeline.structures.grid import GridSpec

BYTE_SYMBOLS = 256  # symbols 0 .. 255 are the bytes themselves
_MASK = "█"  # what the mask token looks like


class TextCodec(ABC):
    """Texts on a grid of ``length`` symbols: bytes, then longer ones, then the end of a text and the mask.

    Args:
        length: symbols in a sample.
        spelling: bytes of each symbol, the last two not included.

    Attributes:
        spelling: bytes of all symbols as they are shown, the mask token included.
        written: bytes of all symbols as they stand in a text, where the end and the mask token are nothing.

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

    def preprocessing(self) -> TextPreprocessing:
        return TextPreprocessing(self.length, len(self.spelling), self.end, self.mask)

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
        super().__init__(length, [bytes([value]) for value in range(BYTE_SYMBOLS)])

    def symbols(self, texts: Sequence[str | bytes]) -> Iterator[np.ndarray]:
        """All bytes of each text."""
        for text in texts:
            yield np.frombuffer(text.encode() if isinstance(text, str) else text, dtype=np.uint8)

    def plain(self) -> dict[str, Any]:
        """``type`` and ``length``."""
        return {"type": "bytes", "length": self.length}
