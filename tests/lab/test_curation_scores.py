"""What a sample is worth: its progress, its region, its novelty and the bounds of its weight."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from ssl_pipeline.lab.curation import Learnability, Novelty, bounded_weights, by_region, draw_weights, novelty, progress

# What a sample is worth


def test_weights_grow_with_the_score_within_their_bounds():
    score = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    weights = draw_weights(score, temperature=0.3, floor=0.1, most=4.0)
    assert weights.mean().item() == pytest.approx(1, abs=1e-4)
    assert weights.min() >= 0.1 and weights.max() <= 4.0
    assert (weights[score.argsort()].diff() >= -1e-6).all()
    assert weights[score.argmax()] > 30 * weights[score.argmin()]


def test_equal_scores_and_other_units_change_nothing():
    assert torch.allclose(draw_weights(torch.full((9,), 2.5), 0.5, 0.1, 4.0), torch.ones(9))
    score = torch.randn(50)
    a, b = (draw_weights(s, 0.5, 0.1, 4.0) for s in (score, 10 * score - 3))
    assert torch.allclose(a, b, atol=1e-4)


def test_bounds_hold_where_one_weight_is_all():
    weights = bounded_weights(torch.tensor([1e-30, 1e-30, 1e-30, 1e-30, 1e30]), 0.1, 3.0)
    assert torch.allclose(weights, torch.tensor([0.5, 0.5, 0.5, 0.5, 3.0]), atol=1e-3)


def test_weights_stay_within_bounds_whatever_the_factors():
    found = bounded_weights(torch.tensor([float("inf"), 1.0, 1.0, 1.0]), floor=0.2, most=1.5)
    assert found.isfinite().all() and found.mean().item() == pytest.approx(1.0, abs=1e-4)


def test_what_does_not_fall_is_no_progress_however_high_it_is():
    losses = [torch.tensor([100.0, 4.0 * 0.5**k, 0.01]) for k in range(4)]  # junk, learnt, mastered
    made = torch.zeros(3)
    for before, now in pairwise(losses):
        made = progress(before, now, made, memory=0.9)
    assert made[1] > 1 and made[0] == made[2] == 0


def test_progress_with_full_memory_is_that_since_the_beginning():
    losses = torch.rand(6, 20) + 0.1
    made = torch.zeros(20)
    for before, now in pairwise(losses):
        made = progress(before, now, made, memory=1.0)
    torch.testing.assert_close(made, (losses[0] / losses[-1]).log())


def test_regions_average_what_single_samples_hide():
    noise = torch.Generator().manual_seed(0)
    kind = torch.arange(300) % 3
    z = torch.eye(3)[kind] + 0.05 * torch.randn(300, 3, generator=noise)
    value = kind.float() + 5 * torch.randn(300, generator=noise)
    found = by_region(value, z, regions=3)
    for k in range(3):
        assert torch.allclose(found[kind == k], value[kind == k].mean(), atol=1e-4)


def test_scores_go_from_round_to_round():
    curation = Learnability(regions=None, memory=1.0)
    scores = curation.first(torch.full((6,), 4.0))
    assert torch.equal(scores.weights, torch.ones(6)) and scores.rounds == 1
    scores = curation.then(scores, torch.tensor([4.0, 4.0, 4.0, 1.0, 1.0, 1.0]), None, torch.arange(6))
    assert scores.rounds == 2 and (scores.weights[:3] < 0.6).all() and (scores.weights[3:] > 1.4).all()
    with pytest.raises(ValueError, match="finite losses"):
        curation.then(scores, torch.full((6,), torch.nan), None, torch.arange(6))


def test_losses_that_are_no_numbers_are_refused_in_every_round():
    with pytest.raises(ValueError, match="finite losses"):
        Learnability().first(torch.tensor([1.0, float("inf")]))


@pytest.mark.parametrize(
    "options",
    [
        {"every": 0},
        {"memory": 1.5},
        {"regions": 1},
        {"temperature": 0.0},
        {"floor": 0.0},
        {"floor": 1.0},
        {"most": 1.0},
    ],
)
def test_options_outside_their_range_are_refused(options):
    with pytest.raises(ValueError, match=f"sampler.{next(iter(options))}"):
        Learnability(**options)


# Novelty


def test_news_is_what_lies_outside_whatever_the_density():
    noise = torch.Generator().manual_seed(0)
    axes = torch.eye(16)

    def kind(axis, spread, count):
        return axes[axis] + spread * torch.randn(count, 16, generator=noise)

    seen = torch.cat([kind(0, 0.02, 300), kind(1, 0.2, 300)])  # a dense kind, and one as wide as noise
    dense, wide, new = (novelty(kind(*of, 200), seen) for of in ((0, 0.02), (1, 0.2), (2, 0.02)))
    assert dense.mean().abs() < 0.2 and wide.mean().abs() < 0.2
    assert new.min() > max(dense.mean(), wide.mean()) + 0.15
    again = kind(2, 0.02, 200)
    assert novelty(again, torch.cat([seen, again])).mean() < 0.2
    with pytest.raises(ValueError, match="k=10"):
        novelty(seen, seen[:10])


def test_novelty_prefers_what_was_not_drawn():
    kind = torch.arange(600) % 3
    z = torch.eye(16)[kind] + 0.05 * torch.randn(600, 16, generator=torch.Generator().manual_seed(0))
    curation = Learnability(regions=None, novelty=Novelty(), most=4.0)
    scores = curation.then(curation.first(torch.ones(600)), torch.ones(600), z, (kind != 0).nonzero().flatten())
    assert scores.weights[kind == 0].mean() > 2 * scores.weights[kind != 0].mean()
    assert scores.weights.mean().item() == pytest.approx(1, abs=1e-3)
    with pytest.raises(ValueError, match=r"sampler\.novelty"):
        Novelty(k=0)
