"""Texts of the Hugging Face hub, or in any format that its library reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Data
from ssl_pipeline.data.codecs.text import TextCodec
from ssl_pipeline.data.huggingface.hf import DEFAULT_LABEL, check_columns, load_rows, read_labels
from ssl_pipeline.data.io.documents import Documents, make_codec, text_data
from ssl_pipeline.data.io.ngrams import ByteGrams
from ssl_pipeline.data.options import HubSplit, Options, TextWindows

_LEARN_FROM = 10_000  # rows of a stream that a codec is trained on


@register("data", "hf_text")
def hf_text(
    path: str,
    name: str | None = None,
    split: HubSplit | Options = HubSplit(),
    text: str = "text",
    label: str | None = DEFAULT_LABEL,
    length: int = 256,
    windows: TextWindows | Options = TextWindows(),
    tokens: str = "bytes",
    vocab_size: int = 4096,
    streaming: bool = False,
    buffer: int = 1000,
    data_files: str | Sequence[str] | Mapping[str, Any] | None = None,
    revision: str | None = None,
) -> Data:
    """Whatever ``datasets.load_dataset`` loads, or a folder (or address) that ``save_to_disk`` wrote.

    A row is a source. Code that comes with a data set is never run. Of a streamed row only the first window is used.

    Args:
        path: name on the hub, folder, address, or format ("parquet", "text", "json", …) of ``data_files``.
        name: configuration of the set.
        split: which parts to learn from and to test on.
        text: column of the texts.
        label: column of the labels (classes, texts or whole numbers); None, or no column "label": unlabelled.
            Where some are missing, probes leave those rows out. A stream is unlabelled unless they are classes.
        length: symbols in a window.
        windows: how the texts are cut.
        tokens: "bytes", or "bpe" for pairs of bytes merged as often as they occur in the training part; of a stream,
            in its first 10,000 rows.
        vocab_size: symbols in all, where pairs are merged.
        streaming: read while training instead of fetching everything first; the test part is then held in memory.
        buffer: samples among which a stream is shuffled.
        data_files: files of a format.
        revision: version on the hub.

    Raises:
        OSError: it cannot be loaded.
        ValueError: no such split or column, a column of something else, or labels of another kind.
    """
    windows, split, called = TextWindows.of(windows), HubSplit.of(split), Path(path).name

    def load(part: str) -> tuple[Any, str | None]:
        rows = load_rows(path, name, part, data_files, revision, streaming)
        return rows, check_columns(rows, text, label, option="text")

    if streaming:
        return _streamed(load, called, split, text, tokens, length, vocab_size, buffer)

    rows, column = load(split.train)
    labels, classes = read_labels(rows, column)
    train = Documents(_texts(rows, text), torch.arange(len(rows)), labels).written()
    if split.test is None:
        train, test = train.set_aside(split)
    else:
        others, column = load(split.test)
        source = torch.arange(len(rows), len(rows) + len(others))
        test = Documents(_texts(others, text), source, read_labels(others, column, classes)[0]).written()
    how = {"length": length, "windows": windows, "tokens": tokens, "vocab_size": vocab_size}
    return text_data(called, train, test, classes=classes, **how)


def _streamed(
    load: Any,
    called: str,
    split: HubSplit,
    text: str,
    tokens: str,
    length: int,
    vocab_size: int,
    buffer: int,
) -> Data:
    from ssl_pipeline.data.huggingface.hf_stream import HfStream, in_memory

    rows, column = load(split.train)
    learn_from = []
    if tokens == "bpe":
        some = islice(rows.select_columns([text]), _LEARN_FROM)
        learn_from = [text_of(row[text]) for row in some]
    codec = make_codec(learn_from, tokens, length, vocab_size)
    decode = partial(first_window, codec=codec)
    train = HfStream(rows, text, column, decode, buffer, valid=codec.real)
    test = None
    if split.test is not None:
        rows, column = load(split.test)
        test = in_memory(HfStream(rows, text, column, decode, buffer, valid=codec.real))
    return Data(
        grid=codec.grid,
        train=train,
        test=test,
        classes=train.classes,
        name=called,
        codec=codec,
        baseline=ByteGrams(codec.written),
    )


def first_window(value: Any, codec: TextCodec) -> np.ndarray:
    """The beginning of a text, as long as the codec's samples are."""
    return codec.encode([text_of(value)])[0][0].numpy()


def text_of(value: Any) -> str:
    """A text; a missing one is empty.

    Raises:
        ValueError: it is something else.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"expected texts, got {type(value).__name__}: set data.text to another column")
    return value


def _texts(rows: Any, column: str) -> list[str]:
    values = rows.select_columns([column]).with_format("arrow")[:][column].to_pylist()
    return [text_of(value) for value in values]
