"""Short sounds, and what the engine relies on in a data set of them."""

from __future__ import annotations

import numpy as np
import soundfile
import torch

from ssl_pipeline.data import Codec, Dataset, Stream


def sine(seconds, rate=8000, hertz=440.0, loud=0.5):
    return (loud * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def note(file, seconds, rate=8000, hertz=440.0, channels=1, **kwargs):
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, np.stack([sine(seconds, rate, hertz)] * channels, axis=1), rate, **kwargs)


def check_contract(data):
    """What the engine relies on."""
    assert isinstance(data.codec, Codec) and data.grid == data.codec.grid
    logarithmic = data.grid.names == ("mel", "time")
    assert data.grid.log == logarithmic and data.grid.signal == (not logarithmic)
    low, high = data.grid.range
    for part in (data.train, data.test):
        if part is None:
            continue
        n = len(part)
        assert isinstance(part, Dataset) and not isinstance(part, Stream)
        assert part.sources.shape == (n,) and part.sources.dtype == torch.int64
        for index in ([n - 1, 0], torch.tensor([n - 1, 0])):
            batch = part[index]
            assert batch.x.shape == (2, 1, *data.grid.shape) and batch.x.dtype == torch.float32
            assert batch.valid is None or batch.valid.shape == (2, *data.grid.shape)
            assert torch.equal(batch.source, part.sources[torch.as_tensor(index)])
            assert torch.equal(batch.x[1:], part[[0]].x)
            assert (batch.label is None) == (data.classes is None)
            if data.classes is not None:
                assert torch.equal(batch.label, part.labels[torch.as_tensor(index)])
        everything = part[range(n)]
        assert everything.x.min() >= low - 0.01 and everything.x.max() <= high + 0.01
        assert data.baseline(everything).shape == (n, 80) and data.baseline(everything).isfinite().all()
        if data.classes is not None:
            assert part.labels.min() >= 0 and part.labels.max() < len(data.classes)
    if data.test is not None:
        assert not set(data.train.sources.tolist()) & set(data.test.sources.tolist())
