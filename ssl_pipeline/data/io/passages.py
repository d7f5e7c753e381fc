"""Long texts cut into windows of one length."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from ssl_pipeline.data.base import Index
from ssl_pipeline.structures.batch import Batch

_WHITESPACE = np.frombuffer(b" \t\n\r\f\v", dtype=np.uint8)


class Passages:
    """Windows of documents, cut out of one array of symbols when they are asked for.

    A window ends after whitespace where some lies in its last quarter. The last one of a document closes with the end
    symbol; one that was cut out of the middle has none.

    Args:
        documents: symbols of each.
        end: number of the end symbol.
        length: symbols in a window, the end included.
        stride: symbols from one start to the next, fewer where that is the start of a word; None: each starts where the
            one before ends.
        min_length: shorter windows are left out, except where the document has no other.
        first: only the first window of each document.
        closed: every window closes with the end symbol, as a text of its own.
        labels: class of each document.
        source: what each document stands for in a batch; its number by default.

    Raises:
        ValueError: no documents, or a ``stride`` or ``min_length`` outside 1 to ``length``.

    >>> document = np.frombuffer(b"a bird sings", dtype=np.uint8)
    >>> windows = Passages([document], end=256, length=8, min_length=1)
    >>> windows[[0]].x.tolist(), windows[[1]].x.tolist()
    ([[97, 32, 98, 105, 114, 100, 32, 256]], [[115, 105, 110, 103, 115, 256, 256, 256]])
    >>> windows[[0, 1]].valid.sum(1).tolist()
    [7, 6]
    """

    def __init__(
        self,
        documents: Iterable[np.ndarray],
        end: int,
        length: int,
        stride: int | None = None,
        min_length: int = 1,
        first: bool = False,
        closed: bool = False,
        labels: Int64[Tensor, "D"] | None = None,
        source: Int64[Tensor, "D"] | None = None,
    ) -> None:
        for name, value in (("stride", length if stride is None else stride), ("min_length", min_length)):
            if not 1 <= value <= length:
                raise ValueError(f"expected {name} from 1 to the length of a window, {length}, got {value}")
        kind = np.int16 if end < np.iinfo(np.int16).max else np.int32
        closing = np.array([end], dtype=kind)
        # A window that closes itself has a place less for the text, and the text needs no end of its own.
        parts = [part for document in documents for part in (document.astype(kind), closing[closed:])]
        if not parts:
            raise ValueError("expected at least one document, got none")
        flat = np.concatenate(parts)
        stop = np.cumsum([len(part) for part in parts])[1::2].tolist()
        start, size, document = _windows(flat, stop, length - closed, stride, min_length)
        if first:
            chosen = np.unique(document, return_index=True)[1]
            start, size, document = start[chosen], size[chosen], document[chosen]
        self.flat = torch.from_numpy(flat)
        self.start, self.size = torch.from_numpy(start), torch.from_numpy(size)
        self.end, self.length, self.closed = end, length, closed
        document = torch.from_numpy(document)
        self.labels = None if labels is None else labels[document]
        self.sources = document if source is None else source[document]

    def __len__(self) -> int:
        return len(self.start)

    def __getitem__(self, index: Index) -> Batch:
        index = torch.as_tensor(index, dtype=torch.int64)
        cell = torch.arange(self.length)
        size = self.size[index].unsqueeze(1)
        where = (self.start[index].unsqueeze(1) + cell).clamp_max(len(self.flat) - 1)
        x = self.flat[where].long().masked_fill_(cell >= size, self.end)
        label = None if self.labels is None else self.labels[index]
        return Batch(x=x, source=self.sources[index], label=label, valid=cell < size + self.closed)


def _windows(
    flat: np.ndarray, stop: list[int], length: int, stride: int | None, min_length: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Start, size and document of each window; the documents lie one after the other and end at ``stop``."""
    # Searching bytes for the last blank is so fast that the loop over windows costs less than arrays over symbols.
    blank = np.isin(flat, _WHITESPACE).tobytes()
    # Bytes inside a character of UTF-8: no window starts with one.
    inner = ((flat & 0xC0 == 0x80) & (flat < 256)).tobytes()

    def snap(place: int, reach: int) -> int:
        """The last start of a word in the ``reach`` symbols up to ``place``, else of a character, else ``place``."""
        found = blank.rfind(1, place - reach - 1, place)
        if found >= 0:
            return found + 1
        return next((p for p in range(place, max(place - min(reach, 3), 0) - 1, -1) if not inner[p]), place)

    windows, first = [], 0
    for number, last in enumerate(stop):
        begin, nominal, alone = first, first, True
        while True:
            until = last if last - begin <= length else snap(begin + length, length // 4)
            if until < last or until - begin >= min_length or alone:  # only the rest of a document can be too short
                windows.append((begin, until - begin, number))
                alone = False
            if until == last:
                break
            nominal += stride or 0
            begin = until if stride is None else max(snap(min(nominal, until), stride // 4), begin + 1)
        first = last
    start, size, document = np.array(windows, dtype=np.int64).reshape(-1, 3).T.copy()
    return start, size, document
