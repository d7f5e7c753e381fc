"""Each energy against a formula written out here, and two processes against one."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from cases import ENERGIES
from processes import in_two_processes

from ssl_pipeline.energies import L1, MSE, Align, CrossEntropy, InfoNCE, NormalisedPatches, PairEnergy, VICReg


def pair(batch: int = 8, width: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, width, generator=generator), torch.randn(batch, width, generator=generator)


def test_align_is_the_squared_chord():
    a, b = pair()
    expected = sum(2 - 2 * float(x @ y / (x.norm() * y.norm())) for x, y in zip(a, b, strict=True)) / len(a)
    assert Align()(a, b).item() == pytest.approx(expected, rel=1e-5)


def test_align_ignores_scale():
    a, b = pair()
    torch.testing.assert_close(Align()(a * 100, b * 0.01), Align()(a, b))


def test_info_nce_is_nt_xent():
    a, b = pair(4, 5)
    z = [x / x.norm() for x in torch.cat([a, b])]
    total = 0.0
    for i in range(8):
        scores = [math.exp(float(z[i] @ z[k]) / 0.3) for k in range(8)]
        total -= math.log(scores[(i + 4) % 8] / (sum(scores) - scores[i]))
    assert InfoNCE(temperature=0.3)(a, b).item() == pytest.approx(total / 8, rel=1e-5)


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


def test_collapse_costs_those_that_prevent_it():
    constant = torch.ones(8, 6)
    spread = F.normalize(pair()[0], dim=1) * 3
    for case in ENERGIES:
        if issubclass(case.build, PairEnergy):
            energy = case.build(**case.options)
            better = energy(spread, spread) < energy(constant, constant) - 1e-3
            assert bool(better) is energy.prevents_collapse, case.name


def test_weights_choose_the_places():
    prediction, target = torch.zeros(2, 3, 4), torch.ones(2, 3, 4)
    target[:, 1:] = 5
    weight = torch.tensor([[1.0, 0, 0], [1, 0, 0]])
    assert MSE()(prediction, target, weight).item() == 1
    assert L1()(prediction, target).item() == pytest.approx(11 / 3)


def test_normalised_patches_weigh_by_variance():
    target = torch.tensor([[[0.0, 2.0], [0.0, 20.0]]])
    energy = NormalisedPatches(eps=1e-6).per_place(target + 1, target)
    torch.testing.assert_close(energy, torch.tensor([[1.0, 0.01]]), rtol=1e-4, atol=1e-5)


def test_cross_entropy_in_nats():
    logits = torch.zeros(2, 3, 7)
    assert CrossEntropy()(logits, torch.zeros(2, 3, 1, dtype=torch.long)).item() == pytest.approx(math.log(7))


@pytest.mark.parametrize(
    ("build", "options"), [(InfoNCE, {"temperature": 0}), (VICReg, {"variance": -1}), (NormalisedPatches, {"eps": 0})]
)
def test_settings_out_of_range(build, options):
    with pytest.raises(ValueError, match=r"expected|negative"):
        build(**options)


def _halves(rank: int, queue, name: str) -> None:
    case = next(c for c in ENERGIES if c.name == name)
    a, b = pair()
    weight = torch.linspace(-1, 1, 36).view(6, 6).requires_grad_()
    part = slice(4 * rank, 4 * rank + 4)
    loss = case.build(**case.options)(a[part] @ weight, b[part] @ weight)
    loss.backward()
    queue.put((rank, loss.item(), weight.grad.tolist()))


@pytest.mark.parametrize("name", sorted({c.name for c in ENERGIES if issubclass(c.build, PairEnergy)}))
def test_two_processes_equal_one(name):
    case = next(c for c in ENERGIES if c.name == name)
    a, b = pair()
    weight = torch.linspace(-1, 1, 36).view(6, 6).requires_grad_()
    loss = case.build(**case.options)(a @ weight, b @ weight)
    loss.backward()
    results = in_two_processes(_halves, name)
    # DDP averages what the ranks have: so does this.
    assert sum(r[1] for r in results) / 2 == pytest.approx(loss.item(), rel=1e-5)
    gradient = sum(torch.tensor(r[2]) for r in results) / 2
    torch.testing.assert_close(gradient, weight.grad, rtol=1e-4, atol=1e-6)
