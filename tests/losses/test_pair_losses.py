"""Losses of pairs of embeddings, each against a formula written out here."""

from __future__ import annotations

import math

import pytest
import torch
from helpers.embeddings import pair

from ssl_pipeline.losses import CLIP, Alignment, BarlowTwins, InfoNCE, VICReg


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


def test_clip_learns_its_temperature():
    """The slope along the scale's logarithm: how much the cosines expected by each softmax exceed the partners'."""
    a, b = pair(5, 3)
    loss, cosines = CLIP(temperature=0.3), torch.cosine_similarity(a[:, None], b, dim=2).tolist()
    slope = 0.0
    for table in (cosines, [*zip(*cosines, strict=True)]):
        for i, row in enumerate(table):
            powers = [math.exp(c / 0.3) for c in row]
            expected = sum(p * c for p, c in zip(powers, row, strict=True)) / sum(powers)
            slope += (expected - row[i]) / 0.3 / 10
    (found,) = torch.autograd.grad(loss(a, b), loss.scale)
    assert found.item() == pytest.approx(slope, rel=1e-4)
