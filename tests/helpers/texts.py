"""Texts in several scripts, and what the engine relies on in a data set of them."""

from __future__ import annotations

import torch

from ssl_pipeline.data import Codec, Dataset, Stream

TEXTS = [
    "A tree has branches; the branches have leaves.\n\tThe leaves have a tree.",
    "Дерево имеет ветви, ветви имеют листья. Дерево имеет ветви.",
    "一棵树有树枝，树枝有树叶。一棵树有树枝。　全角空格",
    "emoji 🌳🌲 and \r\n odd \u00a0 blanks\x00\x7f, é ≠ e\u0301",
    "",
]


def check_contract(data):
    """What the engine relies on."""
    assert isinstance(data.codec, Codec)
    assert data.grid == data.codec.grid and data.grid.mask_token == data.grid.vocab - 1
    end = data.grid.vocab - 2
    for part in (data.train, data.test):
        if part is None:
            continue
        assert isinstance(part, Dataset) and not isinstance(part, Stream)
        assert part.sources.shape == (len(part),) and part.sources.dtype == torch.int64
        assert (part.labels is None) == (data.classes is None)
        index = torch.tensor([len(part) - 1, 0])
        batch = part[index]
        assert batch.x.shape == batch.valid.shape == (2, *data.grid.shape) and batch.x.dtype == torch.int64
        assert torch.equal(batch.source, part.sources[index])
        everything = part[range(len(part))]
        assert (everything.x[~everything.valid] == end).all() and (everything.x <= end).all()
        # Valid cells come first; the end that follows a window out of the middle is padding.
        assert (everything.valid.long().diff(dim=1) <= 0).all() and everything.valid[:, 0].all()
        beyond = data.codec.real(everything.x) ^ everything.valid
        assert (beyond.sum(1) <= 1).all() and not (beyond & everything.valid).any()
        features = data.baseline(batch)
        assert features.shape == (2, 4096) and features.dtype == torch.float32 and features.isfinite().all()
        if data.classes is not None:
            assert torch.equal(batch.label, part.labels[index])
            assert int(part.labels.min()) >= 0 and int(part.labels.max()) < len(data.classes)
    if data.test is not None:
        assert not set(data.train.sources.tolist()) & set(data.test.sources.tolist())


def words(data, part):
    """All texts of a part."""
    batch = part[range(len(part))]
    return data.codec.decode(batch.x, batch.valid)
