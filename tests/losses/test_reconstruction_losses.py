"""Losses of reconstructions, each against a formula written out here."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from helpers.cases import LOSSES

from ssl_pipeline.losses import (
    L1,
    MSE,
    Charbonnier,
    CrossEntropy,
    Divergence,
    LogMSE,
    NormalizedPatches,
    ReconstructionLoss,
    SmoothL1,
)


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


def test_of_log_mse_every_sample_weighs_the_same():
    """Ten times the error of a sample costs as much, however large it was; none is lost in the mean of the others."""
    target = torch.zeros(2, 3, 4)
    prediction = torch.stack([torch.full((3, 4), 0.1), torch.full((3, 4), 2.0)]).requires_grad_()
    loss = LogMSE(eps=1e-8)(prediction, target)
    assert loss.item() == pytest.approx((math.log(0.01) + math.log(4)) / 2, abs=1e-4)
    (slope,) = torch.autograd.grad(loss, prediction)
    pulls = (slope * prediction.detach()).flatten(1).sum(1)
    assert pulls[0].item() == pytest.approx(pulls[1].item(), rel=1e-4)


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
