"""Digits that move, and the objects that are cut out around them."""

from __future__ import annotations

import pytest
import torch

from ssl_pipeline.data import MotionSegments, moving_digits, objects


def test_moving_digits_are_the_same_each_time_and_others_where_held_out():
    one, same, other = (moving_digits(clips=32, seed=seed) for seed in (0, 0, 1))
    assert one.test is not None and same.test is not None
    assert torch.equal(one.test[range(8)].x, same.test[range(8)].x)
    assert not torch.equal(one.train[range(8)].x, other.train[range(8)].x)
    assert not set(one.train.sources.tolist()) & set(one.test.sources.tolist())
    assert one.train.sources.tolist()[:4] == [0, 0, 1, 1]
    with pytest.raises(ValueError, match="at least 8 sources"):
        moving_digits(clips=8)


def test_objects_are_sources_and_know_their_digit():
    of = moving_digits(clips=16, frames=16, size=48, per_source=1, digits=1, maps=True)
    data = objects(of, MotionSegments(around=None), size=16)
    assert data.classes is not None and data.classes[-1] == "nothing" and data.train.labels is not None
    for source in data.train.sources.unique():
        assert len(data.train.labels[data.train.sources == source].unique()) == 1
    known = set(of.train.labels.tolist()) | {10}
    assert set(data.train.labels.tolist()) <= known and (data.train.labels < 10).float().mean() > 0.8
    frames = objects(of, MotionSegments(), what="frames", size=16, times=3)
    assert len(frames.train) == 36 and frames.train.labels.tolist()[::3] == of.train.labels.tolist()
    with pytest.raises(ValueError, match="expected stored clips"):
        objects(data, MotionSegments())
