"""Each loss against a formula written out here, and two processes against one."""

from __future__ import annotations

import cmath
import math

import pytest
import torch
import torch.nn.functional as F
from helpers.cases import LOSSES
from helpers.embeddings import pair
from helpers.processes import in_two_processes

from ssl_pipeline.losses import (
    CLIP,
    L1,
    MSE,
    Alignment,
    BarlowTwins,
    Charbonnier,
    CrossEntropy,
    Divergence,
    InfoNCE,
    NormalizedPatches,
    PairLoss,
    ReconstructionLoss,
    SIGReg,
    SmoothL1,
    VICReg,
    epps_pulley,
)
from ssl_pipeline.losses.random_directions import directions


def test_align_is_the_squared_chord():
    a, b = pair()
    expected = sum(2 - 2 * float(x @ y / (x.norm() * y.norm())) for x, y in zip(a, b, strict=True)) / len(a)
    assert Alignment()(a, b).item() == pytest.approx(expected, rel=1e-5)


def test_align_ignores_scale():
    a, b = pair()
    torch.testing.assert_close(Alignment()(a * 100, b * 0.01), Alignment()(a, b))


def test_info_nce_is_nt_xent():
    a, b = pair(4, 5)
    z = [x / x.norm() for x in torch.cat([a, b])]
    total = 0.0
    for i in range(8):
        scores = [math.exp(float(z[i] @ z[k]) / 0.3) for k in range(8)]
        total -= math.log(scores[(i + 4) % 8] / (sum(scores) - scores[i]))
    assert InfoNCE(temperature=0.3)(a, b).item() == pytest.approx(total / 8, rel=1e-5)


def test_info_nce_contrasts_with_other_samples_too():
    a, b = pair(4, 5)
    others = torch.randn(3, 5, generator=torch.Generator().manual_seed(7))
    z = [x / x.norm() for x in torch.cat([a, b, others])]
    total = 0.0
    for i in range(8):
        scores = [math.exp(float(z[i] @ z[k]) / 0.3) for k in range(11)]
        total -= math.log(scores[(i + 4) % 8] / (sum(scores) - scores[i]))
    assert InfoNCE(temperature=0.3)(a, b, others).item() == pytest.approx(total / 8, rel=1e-5)


def test_vicreg_is_the_three_terms():
    a, b = pair(16, 3)

    def variance(z):
        return sum(max(0.0, 1 - math.sqrt(float(torch.var(z[:, d])) + 1e-4)) for d in range(3)) / 3

    def covariance(z):
        c = torch.cov(z.T)
        return sum(float(c[i, j]) ** 2 for i in range(3) for j in range(3) if i != j) / 3

    distance = float(((a - b) ** 2).mean())
    expected = 25 * distance + 25 * (variance(a) + variance(b)) / 2 + covariance(a) + covariance(b)
    assert VICReg()(a, b).item() == pytest.approx(expected, rel=1e-5)


def test_vicreg_refuses_one_sample():
    with pytest.raises(ValueError, match="at least 2 samples"):
        VICReg()(torch.zeros(1, 3), torch.zeros(1, 3))


def test_barlow_is_the_distance_of_the_correlations_from_the_identity():
    a, b = pair(16, 3)

    def standard(z):
        mean = [sum(row[d] for row in z) / 16 for d in range(3)]
        std = [math.sqrt(sum((row[d] - mean[d]) ** 2 for row in z) / 16) for d in range(3)]
        return [[(row[d] - mean[d]) / std[d] for d in range(3)] for row in z]

    ours, theirs, expected = standard(a.tolist()), standard(b.tolist()), 0.0
    for i in range(3):
        for j in range(3):
            c = sum(x[i] * y[j] for x, y in zip(ours, theirs, strict=True)) / 16
            expected += (c - 1) ** 2 if i == j else 0.005 * c**2
    assert BarlowTwins()(a, b).item() == pytest.approx(expected, rel=1e-4)


def test_barlow_has_a_finite_gradient_where_a_dimension_is_constant():
    a = torch.cat([pair()[0], torch.ones(8, 1)], dim=1).requires_grad_()
    loss = BarlowTwins()(a, a)
    loss.backward()
    assert loss.item() == pytest.approx(1, abs=0.1)  # the constant dimension's own; chance correlations hardly weigh
    assert torch.isfinite(a.grad).all() and a.grad.abs().sum() > 0


def test_barlow_refuses_one_sample():
    with pytest.raises(ValueError, match="at least 2 samples to measure correlation, got 1; raise batch_size"):
        BarlowTwins()(torch.zeros(1, 3), torch.zeros(1, 3))


def test_clip_is_its_pseudocode():
    """Figure 3 of arXiv 2103.00020; neither kind meets itself."""
    a, b = pair(5, 3)
    loss = CLIP(temperature=0.07)
    u, v = (z / z.norm(dim=1, keepdim=True) for z in (a, b))
    rows = (u @ v.T / 0.07).log_softmax(1).diagonal()
    columns = (u @ v.T / 0.07).log_softmax(0).diagonal()
    torch.testing.assert_close(loss(a, b), -(rows.mean() + columns.mean()) / 2)
    torch.testing.assert_close(loss.per_sample(a, b), -(rows + columns) / 2)
    loss(a, b).backward()
    assert loss.scale.grad is not None and loss.scale.item() == pytest.approx(math.log(1 / 0.07))
    with torch.no_grad():
        loss.scale.fill_(9.0)
    torch.testing.assert_close(loss(a, b), CLIP(temperature=0.01)(a, b))


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


def test_smooth_l1_is_squared_then_straight():
    errors = torch.tensor([0.1, -0.4, 2.0, -3.0])
    expected = (0.1**2 / (2 * 0.5) + 0.4**2 / (2 * 0.5) + (2.0 - 0.25) + (3.0 - 0.25)) / 4
    target = torch.full((1, 1, 4), 7.0)
    assert SmoothL1(beta=0.5)(target + errors, target).item() == pytest.approx(expected, rel=1e-5)


def test_charbonnier_is_the_smooth_absolute_error():
    errors = torch.tensor([0.0, -0.4, 2.0])
    expected = (0.5 + math.sqrt(0.4**2 + 0.25) + math.sqrt(4.25)) / 3
    target = torch.full((1, 1, 3), 7.0)
    assert Charbonnier(eps=0.5)(target + errors, target).item() == pytest.approx(expected, rel=1e-5)


def test_collapse_costs_those_that_prevent_it():
    constant = torch.ones(8, 6)
    spread = F.normalize(pair()[0], dim=1) * 3

    def settled(case, z):
        loss = case.make()
        for _ in range(20):
            loss.remember(z)
        return loss(z, z)

    for case in LOSSES:
        if issubclass(case.build, PairLoss):
            better = settled(case, spread) < settled(case, constant) - 1e-3
            assert bool(better) is case.make().prevents_collapse, case.name


def test_weights_choose_the_places():
    prediction, target = torch.zeros(2, 3, 4), torch.ones(2, 3, 4)
    target[:, 1:] = 5
    weight = torch.tensor([[1.0, 0, 0], [1, 0, 0]])
    assert MSE()(prediction, target, weight).item() == 1
    assert L1()(prediction, target).item() == pytest.approx(11 / 3)


def test_normalised_patches_weigh_by_variance():
    target = torch.tensor([[[0.0, 2.0], [0.0, 20.0]]])
    loss = NormalizedPatches(eps=1e-6).per_place(target + 1, target)
    torch.testing.assert_close(loss, torch.tensor([[1.0, 0.01]]), rtol=1e-4, atol=1e-5)


def test_cross_entropy_in_nats():
    logits = torch.zeros(2, 3, 7)
    assert CrossEntropy()(logits, torch.zeros(2, 3, 1, dtype=torch.long)).item() == pytest.approx(math.log(7))


@pytest.mark.parametrize("case", [c for c in LOSSES if issubclass(c.build, ReconstructionLoss)], ids=lambda c: c.name)
def test_reconstruction_is_a_mean_over_samples_and_best_when_perfect(case):
    loss = case.make()
    generator = torch.Generator().manual_seed(0)
    prediction, target = (torch.randn(5, 3, 32, generator=generator, requires_grad=g) for g in (True, False))
    perfect = target
    if loss.discrete and not isinstance(loss, Divergence):
        target = torch.randint(0, 32, (5, 3, 1), generator=generator)
        perfect = 99 * F.one_hot(target.squeeze(-1), 32).float()
    each = loss.per_sample(prediction, target)
    assert each.shape == (5,)
    torch.testing.assert_close(each.mean(), loss(prediction, target))
    torch.testing.assert_close(each[1:2], loss.per_sample(prediction[1:2], target[1:2]))
    assert loss(perfect, target).item() == pytest.approx(case.best, abs=1e-6)
    loss(prediction, target).backward()
    assert prediction.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("build", "options"),
    [
        (InfoNCE, {"temperature": 0}),
        (VICReg, {"variance": -1}),
        (NormalizedPatches, {"eps": 0}),
        (SmoothL1, {"beta": 0}),
        (Charbonnier, {"eps": 0}),
        (BarlowTwins, {"off_diagonal": -1}),
        (SIGReg, {"weight": 2}),
        (SIGReg, {"knots": 1}),
    ],
)
def test_settings_out_of_range(build, options):
    with pytest.raises(ValueError, match=r"expected|negative"):
        build(**options)


def two_steps(name: str, part: slice) -> tuple[float, list, list]:
    """Loss, gradient and memory after two steps of the samples in ``part``, the views changing places."""
    loss = next(c for c in LOSSES if c.name == name).make()
    a, b = (z[part] for z in pair())
    others = pair(seed=7)[0][part]
    weight = torch.linspace(-1, 1, 36).view(6, 6).requires_grad_()
    total = torch.zeros(())
    for ours, theirs in ((a, b), (b, a)):
        target = theirs @ weight
        total = total + loss(ours @ weight, loss.target(target.detach()) if loss.directed else target)
        if loss.contrasts:
            total = total + loss(ours @ weight, target, others @ weight)
        loss.remember(target.detach())
    total.backward()
    return total.item(), weight.grad.tolist(), [v.double().flatten().tolist() for v in loss.state_dict().values()]


PAIRS = sorted({c.name for c in LOSSES if issubclass(c.build, PairLoss)})


def _halves(rank: int, queue) -> None:
    queue.put((rank, {name: two_steps(name, slice(4 * rank, 4 * rank + 4)) for name in PAIRS}))


@pytest.fixture(scope="module")
def halves() -> list[dict]:
    """By rank: what two processes find with half of the samples each."""
    return [found for _, found in in_two_processes(_halves)]


@pytest.mark.parametrize("name", PAIRS)
def test_two_processes_equal_one(name, halves):
    loss, gradient, memory = two_steps(name, slice(None))
    results = [found[name] for found in halves]
    # DDP averages what the ranks have: so does this.
    assert sum(r[0] for r in results) / 2 == pytest.approx(loss, rel=1e-5)
    mean = sum(torch.tensor(r[1]) for r in results) / 2
    torch.testing.assert_close(mean, torch.tensor(gradient), rtol=1e-4, atol=1e-6)
    for of_rank in (r[2] for r in results):
        assert len(of_rank) == len(memory)
        for theirs, ours in zip(of_rank, memory, strict=True):
            assert theirs == pytest.approx(ours, rel=1e-5, abs=1e-6)
