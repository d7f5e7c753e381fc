"""The language reference that comes with Python: English text that needs no download."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Data
from ssl_pipeline.data.io.documents import Documents, text_data
from ssl_pipeline.data.options import Options, Split, TextWindows


@register("data", "pydoc")
def pydoc(
    length: int = 128,
    windows: TextWindows | Options = TextWindows(),
    tokens: str = "bytes",
    vocab_size: int = 4096,
    split: Split | Options = Split(holdout=0.2),
) -> Data:
    """Some 80 topics of Python's ``help``, a source each; which ones depends on the version of Python.

    Topics quote each other at length; each paragraph is kept once, in the shortest topic that has it.

    Args:
        length: symbols in a window.
        windows: how the texts are cut.
        tokens: "bytes", or "bpe" for pairs of bytes merged as often as they occur in the training part.
        vocab_size: symbols in all, where pairs are merged.
        split: which topics are held out.

    Raises:
        ValueError: an option outside its bounds.
    """
    windows = TextWindows.of(windows)
    split = Split.of(split, holdout=0.2)
    from pydoc_data.topics import topics

    texts = list(distinct_paragraphs(topics).values())
    train, test = Documents(texts, torch.arange(len(texts))).set_aside(split)
    return text_data(
        "pydoc",
        train,
        test,
        length=length,
        windows=windows,
        tokens=tokens,
        vocab_size=vocab_size,
    )


def distinct_paragraphs(topics: Mapping[str, str]) -> dict[str, str]:
    r"""Topics without the lines that underline a title, and without paragraphs that stand in a shorter one.

    >>> distinct_paragraphs({"all": "All\n***\n\nOne.\n\nTwo.\n", "one": "One.\n"})
    {'all': 'All\n\nTwo.', 'one': 'One.'}
    """
    seen: set[str] = set()
    kept = {}
    for name in sorted(topics, key=lambda name: (len(topics[name]), name)):
        text = re.sub(r"(?m)^([*=\-~^])\1{2,}\n", "", topics[name])
        fresh = [paragraph.rstrip() for paragraph in re.split(r"\n\s*\n", text) if paragraph.strip() not in seen]
        seen.update(paragraph.strip() for paragraph in fresh)
        kept[name] = "\n\n".join(fresh).strip("\n")
    return {name: kept[name] for name in sorted(kept) if kept[name]}
