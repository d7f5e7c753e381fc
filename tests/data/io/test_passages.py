"""Windows of documents."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from ssl_pipeline.data.io.passages import Passages


def as_symbols(*texts):
    return [np.frombuffer(text.encode(), dtype=np.uint8) for text in texts]


def spelt(windows, end=256):
    batch = windows[range(len(windows))]
    return [
        (bytes(s for s in x[v].tolist() if s != end).decode(errors="replace"), end in x[v].tolist())
        for x, v in zip(batch.x, batch.valid, strict=True)
    ]


def test_windows_cut_after_words_and_lose_nothing():
    text = "the quick brown fox jumps over the lazy dog " * 20 + "unbrokenunbrokenunbroken" * 3 + " end"
    windows = Passages(as_symbols(text), end=256, length=32)
    parts = spelt(windows)
    assert "".join(part for part, _ in parts) == text
    assert [closed for _, closed in parts] == [False] * (len(parts) - 1) + [True]
    assert all(part.endswith(" ") for part, _ in parts if "unbroken" not in part and part[-3:] != "end")
    assert all(24 <= len(part) <= 32 for part, _ in parts[:-1])
    assert max(len(part) for part, _ in parts) == 32  # where no blank is near, the window is full


def test_windows_do_not_cross_documents():
    texts = ["ab cd ef gh ij kl", "x", "0123456789", "q r"]
    windows = Passages(as_symbols(*texts), 256, 8, labels=torch.tensor([5, 6, 7, 8]), source=torch.tensor([3, 3, 1, 0]))
    owner = windows.labels - 5
    for number, text in enumerate(texts):
        some = windows[(owner == number).nonzero().flatten()]
        assert "".join(part for part, _ in spelt_batch(some)) == text
        assert (some.source == torch.tensor([3, 3, 1, 0])[number]).all()
        assert [closed for _, closed in spelt_batch(some)][-1]


def spelt_batch(batch):
    return [
        (bytes(s for s in x[v].tolist() if s < 256).decode(), 256 in x[v].tolist())
        for x, v in zip(batch.x, batch.valid, strict=True)
    ]


def test_windows_with_room_for_the_end():
    """A document that fills the window leaves no room for its end, so it takes two."""
    assert spelt(Passages(as_symbols("abcdefg"), 256, 8)) == [("abcdefg", True)]
    assert spelt(Passages(as_symbols("abcdefgh"), 256, 8)) == [("abcdefgh", False), ("", True)]
    assert spelt(Passages(as_symbols("abcdefgh", "i"), 256, 8, min_length=3)) == [("abcdefgh", False), ("i", True)]


@pytest.mark.parametrize("stride", [1, 7, 16, 32])
def test_windows_overlap_by_the_stride(stride):
    text = " ".join(f"word{i}" for i in range(200))
    windows = Passages(as_symbols(text), 256, 32, stride)
    starts = windows.start.diff()
    assert (starts > 0).all() and (starts <= stride + stride // 4).all()
    assert starts.float().mean().item() == pytest.approx(stride, rel=0.1)
    assert (windows.start[1:] <= windows.start[:-1] + windows.size[:-1]).all()  # no gaps
    assert spelt(windows)[-1][1] and sum(closed for _, closed in spelt(windows)) == 1
    if stride == 32:  # a quarter of a smaller stride may hold no blank
        assert all(part.startswith("word") for part, _ in spelt(windows))


def test_windows_keep_characters_whole():
    text = "一棵树有树枝" * 30
    parts = [part for part, _ in spelt(Passages(as_symbols(text), 256, 32))]
    assert "".join(parts) == text and not any("\ufffd" in part for part in parts)


def test_windows_store_compactly_and_fast():
    rng = np.random.default_rng(0)
    text = rng.integers(97, 123, 5_000_000).astype(np.uint8)
    text[rng.random(len(text)) < 0.2] = 32
    start = time.perf_counter()
    windows = Passages(np.split(text, range(0, len(text), 1000))[1:], 256, 128)
    assert time.perf_counter() - start < 5
    assert windows.flat.dtype == torch.int16 and len(windows.flat) == len(text) + 5000
    assert Passages([np.array([40_000], dtype=np.int32)], 40_001, 4).flat.dtype == torch.int32
    batch = windows[torch.randperm(len(windows))[:4096]]
    assert batch.x.dtype == torch.int64 and batch.x.shape == (4096, 128)


@pytest.mark.parametrize(
    ("options", "words"), [({"stride": 9}, "stride"), ({"stride": 0}, "stride"), ({"min_length": 9}, "min_length")]
)
def test_windows_refuse(options, words):
    with pytest.raises(ValueError, match=rf"expected {words} from 1 to the length of a window, 8"):
        Passages(as_symbols("abc"), 256, 8, **options)


def test_windows_of_nothing():
    with pytest.raises(ValueError, match="at least one document"):
        Passages([], 256, 8)


def test_first_windows_and_closed_ones():
    documents = [np.frombuffer(b"one two three four", dtype=np.uint8), np.frombuffer(b"five", dtype=np.uint8)]
    first = Passages(documents, end=256, length=8, first=True)
    assert first.sources.tolist() == [0, 1]
    closed = Passages(documents, end=256, length=8, closed=True)
    batch = closed[range(len(closed))]
    texts = [bytes(row[ok].tolist()[:-1]) for row, ok in zip(batch.x, batch.valid, strict=True)]
    assert b"".join(texts) == b"one two three fourfive" and max(map(len, texts)) <= 7
    assert all(row[ok][-1] == 256 for row, ok in zip(batch.x, batch.valid, strict=True))
