"""Documents, and the data set made of them: what all text sets have in common."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from ssl_pipeline.data.base import Data, holdout
from ssl_pipeline.data.codecs.bpe import BPE
from ssl_pipeline.data.codecs.text import Bytes, TextCodec
from ssl_pipeline.data.io.ngrams import ByteGrams
from ssl_pipeline.data.io.passages import Passages
from ssl_pipeline.data.memory import MemoryDataset
from ssl_pipeline.data.options import Split, TextWindows


@dataclass(frozen=True)
class Documents:
    """Whole texts.

    Args:
        texts: of each document, as UTF-8 where they are bytes.
        source: what each counts as: itself, or its author.
        labels: class of each; None for an unlabelled set.
    """

    texts: Sequence[str | bytes]
    source: Int64[Tensor, "D"]
    labels: Int64[Tensor, "D"] | None = None

    def __getitem__(self, index: Int64[Tensor, "K"]) -> Documents:
        texts = [self.texts[i] for i in index.tolist()]
        return Documents(texts, self.source[index], None if self.labels is None else self.labels[index])

    def written(self) -> Documents:
        """Those that are not blank; others are counted and left out.

        Raises:
            ValueError: all are blank.
        """
        index = torch.tensor([i for i, text in enumerate(self.texts) if text.strip()], dtype=torch.int64)
        if len(index) == len(self.texts):
            return self
        count = f"{len(self.texts) - len(index)} of {len(self.texts)} documents hold no text"
        if not len(index):
            raise ValueError(f"{count}: choose others")
        warnings.warn(f"{count}; they are left out", stacklevel=4)
        return self[index]

    def set_aside(self, split: Split) -> tuple[Documents, Documents | None]:
        """A random fraction of the sources, chosen before a codec has seen any: ``(train, test)``."""
        train, test = holdout(
            MemoryDataset(torch.empty(len(self.texts), 0), source=self.source), split.holdout, split.seed
        )
        if test is None:
            return self, None
        return self[train.indices], self[test.indices]  # pyright: ignore[reportAttributeAccessIssue]


def make_codec(texts: Sequence[str | bytes], tokens: str, length: int, vocab_size: int) -> TextCodec:
    """The codec that the option ``tokens`` names; one that learns does so from ``texts``.

    Raises:
        ValueError: there is no such codec.
    """
    if tokens == "bytes":
        return Bytes(length)
    if tokens == "bpe":
        return BPE.train(texts, length, vocab_size)
    raise ValueError(f"expected tokens=bytes or tokens=bpe, got {tokens!r}")


def text_data(
    name: str,
    train: Documents,
    test: Documents | None,
    *,
    length: int,
    windows: TextWindows,
    tokens: str,
    vocab_size: int,
    classes: tuple[str, ...] | None = None,
) -> Data:
    """Windows of documents, with a codec that has learnt from the training part only.

    Args:
        name: how reports call the set.
        length: symbols in a window.
        windows: how documents are cut.
        tokens: "bytes", or "bpe" for merged pairs of bytes.
        vocab_size: symbols in all, where pairs are merged.
        classes: names of the labels.

    Raises:
        ValueError: an option outside its bounds.
    """
    codec = make_codec(train.texts, tokens, length, vocab_size)

    def cut(part: Documents, stride: int | None) -> Passages:
        return Passages(
            codec.symbols(part.texts),
            codec.end,
            length,
            stride,
            min(windows.min_length, length - windows.closed),
            windows.first,
            windows.closed,
            labels=part.labels,
            source=part.source,
        )

    return Data(
        grid=codec.grid,
        train=cut(train, windows.stride),
        test=None if test is None else cut(test, None),
        classes=classes,
        name=name,
        codec=codec,
        baseline=ByteGrams(codec.written),
    )
