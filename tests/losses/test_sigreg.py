"""SIGReg against its closed forms, and the directions that it draws."""

from __future__ import annotations

import cmath
import math

import pytest
import torch
from helpers.embeddings import pair

from ssl_pipeline.losses import SIGReg, epps_pulley
from ssl_pipeline.losses.random_directions import directions


def test_epps_pulley_is_its_closed_form():
    """Against the integral over all t, which is elementary: sums of Gaussians of pairs and of single numbers."""
    x = pair(40, 2)[0] * torch.tensor([1.0, 3.0]) + torch.tensor([0.0, 1.5])
    for column, found in zip(x.T.tolist(), epps_pulley(x, 17, 5.0).tolist(), strict=True):
        both = sum(math.exp(-((p - q) ** 2) / 2) for p in column for q in column) * math.sqrt(2 * math.pi) / 40
        one = -2 * sum(math.exp(-(p**2) / 4) for p in column) * math.sqrt(math.pi)
        assert found == pytest.approx(both + one + 40 * math.sqrt(2 * math.pi / 3), rel=1e-3)


def test_sigreg_is_the_distance_from_the_middle_and_the_mean_statistic():
    a, b = pair(16, 3)
    loss = SIGReg(weight=0.3, directions=4, knots=5, t_max=2.0)
    along = directions(torch.tensor(0), 3, 4).T
    statistics = []
    for z in (a, b):
        for u in along:
            total = 0.0
            for k in range(-4, 5):
                t = k / 2
                wave = sum(cmath.exp(1j * t * float(u @ row)) for row in z) / 16
                height = abs(wave - math.exp(-t * t / 2)) ** 2 * math.exp(-t * t / 2)
                total += 16 * height * (0.25 if abs(k) == 4 else 0.5)
            statistics.append(total)
    middle = (a + b) / 2
    distance = float((((a - middle) ** 2).mean() + ((b - middle) ** 2).mean()) / 2)
    assert loss(a, b).item() == pytest.approx(0.7 * distance + 0.3 * sum(statistics) / 8, rel=1e-4)


@pytest.mark.parametrize("anchors", [None, ("a", "b")])
def test_sigreg_draws_all_views_to_one_middle(anchors):
    """LeJEPA's loss with four views: ``((z - middle) ** 2).mean()`` and one statistic a view."""
    z = torch.stack([*pair(16, 3), *pair(16, 3, seed=1)])
    loss = SIGReg(weight=0.3, directions=4, knots=5, t_max=2.0)
    along = directions(torch.tensor(0), 3, 4)
    middle = z.mean(0) if anchors is None else (z[0] + z[1]) / 2
    statistic = torch.stack([epps_pulley(view @ along, 5, 2.0) for view in z]).mean()
    expected = 0.7 * (z - middle).square().mean() + 0.3 * statistic
    views = dict(zip("abcd", z, strict=True))
    torch.testing.assert_close(loss.of_all([views], anchors), expected)


def test_sigreg_of_groups_draws_a_sample_to_the_middle_of_the_views_that_it_passes():
    (a, b), (c, d), (e, f) = (pair(6, 3, seed=seed) for seed in range(3))
    groups, loss = [{"one": a, "two": b}, {"two": c, "three": d}, {"three": e, "one": f}], SIGReg(weight=0.0)
    both = [(x - y).square().mean() for x, y in ((a, b), (c, d), (e, f))]
    torch.testing.assert_close(loss.of_all(groups), (both[0] + both[1] + both[2]) / 12)
    torch.testing.assert_close(loss.of_all(groups, ("one",)), (both[0] + both[2]) / 4)  # the second has no anchor


def test_sigreg_is_least_on_normal_embeddings():
    normal = torch.randn(2000, 4, generator=torch.Generator().manual_seed(1))
    least = SIGReg(weight=1.0)(normal, normal)
    # One that is normal costs as much as chance: the integral of (1 - exp(-t^2)) exp(-t^2 / 2).
    assert least.item() == pytest.approx(math.sqrt(2 * math.pi) - math.sqrt(2 * math.pi / 3), rel=0.3)
    uniform = (torch.rand(2000, 4, generator=torch.Generator().manual_seed(1)) - 0.5) * math.sqrt(12)
    for other in (normal * 1.5, normal + 0.5, uniform, normal * torch.tensor([1.0, 1, 1, 0])):
        assert SIGReg(weight=1.0)(other, other) > 2 * least


def test_directions_are_new_while_it_trains_and_go_on_after_resume():
    a, b = pair()
    loss = SIGReg(directions=2)
    first, second = loss(a, b), loss(a, b)
    resumed = SIGReg(directions=2)
    resumed.load_state_dict(loss.state_dict())
    assert len({first.item(), second.item(), loss(a, b).item()}) == 3
    assert resumed(a, b).item() != second.item()
    assert resumed(a, b).item() == loss(a, b).item()
    assert loss.eval()(a, b).item() == loss(a, b).item()


def test_directions_are_uniform_on_the_sphere():
    each = [directions(torch.tensor(n), 8, 500) for n in (*range(20), 10**6)]
    every = torch.cat(each, dim=1)
    torch.testing.assert_close(every.norm(dim=0), torch.ones(every.shape[1]))
    n = every.shape[1]
    assert every.mean(1).abs().max() < 5 / math.sqrt(8 * n)
    assert (every @ every.T / n * 8 - torch.eye(8)).abs().max() < 7 / math.sqrt(n)
    assert (every**4).mean().item() == pytest.approx(3 / (8 * 10), rel=0.02)
    closest = (every[:, :2000].T @ every[:, :2000]).fill_diagonal_(0).max()
    assert closest < 1 - 1e-4  # none comes twice
