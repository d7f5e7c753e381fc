"""M7: change of pixels tells objects apart, and gives positives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from ssl_pipeline.data import MotionSegments
from ssl_pipeline.data.motion.detection import foreground, moving, static
from ssl_pipeline.data.motion.regions import lasting
from ssl_pipeline.data.motion.tracking import tracked
from ssl_pipeline.data.synthetic.moving_digits import render_clips
from ssl_pipeline.data.wrappers.objects import objects_of
from ssl_pipeline.evaluation.segmentation import rand_index


def scene(*paths: list[tuple[int, int]], side: int = 4, shape: tuple[int, int] = (24, 32)) -> np.ndarray:
    """Ids of squares whose upper left corners go along paths; the later ones lie in front."""
    ids = np.zeros((len(paths[0]), *shape), dtype=np.int64)
    for number, path in enumerate(paths, 1):
        for t, (y, x) in enumerate(path):
            ids[t, y : y + side, x : x + side] = number
    return ids


def test_change_is_seen_above_noise_and_nothing_else_is():
    ids = scene([(10, 2 * t) for t in range(12)])
    rng = np.random.default_rng(0)
    ground = rng.uniform(0, 0.8, ids.shape[1:])
    still = np.broadcast_to(ground, ids.shape) + rng.normal(0, 0.02, ids.shape)
    assert not foreground(still).any()
    found = foreground(np.where(ids > 0, 1.0, ground) + rng.normal(0, 0.02, ids.shape))
    assert found[ids > 0].mean() > 0.9 and found[ids == 0].mean() < 0.02
    with pytest.raises(ValueError, match="at least 3 frames"):
        foreground(still[:2])


def test_light_that_changes_slowly_needs_a_window():
    video = np.linspace(0, 0.6, 30)[:, None, None] * np.ones((30, 8, 8))
    assert np.abs(static(video, window=5)).max() < 0.1 < np.abs(static(video)).max()


def test_a_moving_camera_is_judged_from_frame_to_frame():
    """Of an object only, in the frame where it is: a double difference leaves no ghost."""
    ids = scene([(10, 5 * t) for t in range(5)])
    change = moving((ids > 0).astype(float))
    assert ((np.abs(change) > 0.5) == (ids > 0)).all()


def test_objects_that_cross_keep_their_numbers():
    """They lie in one component for some frames, and go on as they came."""
    ids = scene([(9, 2 * t) for t in range(14)], [(11, 26 - 2 * t) for t in range(14)])
    found = tracked(ids > 0)
    assert found.max() == 2
    assert adjusted_rand_score(ids[ids > 0], found[ids > 0]) > 0.9
    assert (found[0, 9, 0], found[0, 13, 27]) == (found[-1, 9, 27], found[-1, 13, 1])


def test_objects_that_bounce_off_a_wall_are_followed():
    ids = scene([(10, abs(2 * t - 12)) for t in range(13)])
    assert np.unique(tracked(ids > 0)[ids > 0]).tolist() == [1]


def test_an_object_in_pieces_is_one():
    ids = scene([(8, 2 * t) for t in range(10)], side=6)
    broken = ids.copy()
    broken[3:6, 11] = 0  # a line is missing in some frames
    found = tracked(broken > 0)
    assert found.max() == 1


def test_an_object_that_is_hidden_for_two_frames_returns():
    ids = scene([(10, 2 * t) for t in range(12)])
    seen = ids.copy()
    seen[5:7] = 0
    assert tracked(seen > 0).max() == 1
    seen[4:8] = 0
    assert tracked(seen > 0, patience=2).max() == 2


def test_short_tracks_are_left_out():
    ids = scene([(10, 2 * t) for t in range(8)])
    ids[3, 0:3, 0:3] = 5
    assert lasting(ids, life=2).max() == 1


def test_nothing_moves():
    assert MotionSegments()(np.zeros((5, 8, 8))).max() == 0
    with pytest.raises(ValueError, match="camera"):
        MotionSegments(camera="drone")
    with pytest.raises(ValueError, match="window"):
        MotionSegments(window=1)


def test_agreement_counts_a_lost_track_as_an_error():
    true = scene([(10, 2 * t) for t in range(6)], [(2, 2 * t) for t in range(6)])
    lost = np.where((true == 1) & (np.arange(6) > 2)[:, None, None], 3, true)
    assert rand_index([true], [true]) == (1.0, 1.0)
    assert rand_index([true], [lost]).foreground < 0.8
    nothing = np.zeros_like(true)  # a clip without objects says nothing of objects
    assert rand_index([true, nothing], [lost, nothing]).foreground == rand_index([true], [lost]).foreground
    assert np.isnan(rand_index([nothing], [nothing]).foreground)


def test_known_objects_are_where_the_digits_are():
    made = render_clips(3, 6, digits=(1, 3), noise=0.0)
    assert made.digit.shape == (3, 3) and (made.digit[:, 0] >= 0).all()
    for objects, digit in zip(made.objects, made.digit, strict=True):
        assert set(objects.unique().tolist()) <= {0, *(k + 1 for k in range(3) if digit[k] >= 0)}
    alone = render_clips(2, 6, digits=1, noise=0.0)
    bright = alone.x[:, 0].float() / 255
    assert bright[alone.objects > 0].mean() > bright[alone.objects == 0].mean() + 0.2
    assert torch.equal(alone.x, render_clips(2, 6, digits=1, noise=0.0).x)


def test_squares_are_centred_and_stay_inside_the_frame():
    ids = scene([(10, 14), (0, 14), (20, 28)])
    clip = torch.from_numpy((ids > 0).astype(np.float32))[:, None]
    x = objects_of(clip, ids, size=8, times=3, margin=2.0).x[:, 0] > 127
    assert [int(one.sum()) for one in x] == [16, 16, 16]  # all of the object, at its own size
    rows, columns = (x.any(dim).float() for dim in (2, 1))
    assert rows[0].tolist() == columns[0].tolist() == [0, 0, 1, 1, 1, 1, 0, 0]
    assert rows[1].tolist() == [1, 1, 1, 1, 0, 0, 0, 0] and rows[2].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]


@pytest.mark.slow
def test_motion_tells_objects_apart_and_brightness_does_not(script):
    """M7, on held-out digits: far from the ways that do not track, or that do not look at motion."""
    rows = script("probe_motion").segments(clips=40)["48x48, 16 frames"]
    best, *others = (rows[way][0] for way in rows)
    assert best > 0.55 and best > max(others) + 0.2


@pytest.mark.slow
def test_object_positives_beat_those_of_whole_frames(script, tmp_path, monkeypatch):
    """M7, on crops of single objects; a small setting of one seed."""
    monkeypatch.chdir(tmp_path)
    few_shot = ["data.of.clips=160", "trainer.max_epochs=-1", "trainer.max_steps=150"]
    rows = script("probe_motion").positives([0], few_shot)
    for key in ("knn on objects", "linear on objects"):
        assert rows["positives: objects"][key][0] > rows["positives: frames"][key][0] + 2
