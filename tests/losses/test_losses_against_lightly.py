"""Our losses against those of lightly, where it is installed (the extra ``peers``)."""

from __future__ import annotations

import pytest
import torch

from ssl_pipeline.losses import BarlowTwins, InfoNCE, VICReg

loss = pytest.importorskip("lightly.loss")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (InfoNCE(temperature=0.2), lambda: loss.NTXentLoss(temperature=0.2)),
        (InfoNCE(temperature=0.5), lambda: loss.NTXentLoss(temperature=0.5)),
        (VICReg(), lambda: loss.VICRegLoss()),
        (VICReg(1.0, 2.0, 3.0), lambda: loss.VICRegLoss(lambda_param=1.0, mu_param=2.0, nu_param=3.0)),
        (BarlowTwins(), lambda: loss.BarlowTwinsLoss()),
        (BarlowTwins(off_diagonal=0.1), lambda: loss.BarlowTwinsLoss(lambda_param=0.1)),
    ],
    ids=["info_nce", "info_nce_warm", "vicreg", "vicreg_weights", "barlow", "barlow_weight"],
)
def test_loss_and_gradient_equal_those_of_lightly(ours, theirs):
    """No constant lies between them: normalisations are the same."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(32, 16, generator=generator) for _ in range(2))
    b = (a + 0.5 * b) * torch.linspace(0.1, 3, 16)
    results = []
    for loss in (ours, theirs()):
        x, y = a.clone().requires_grad_(), b.clone().requires_grad_()
        value = loss(x, y)
        value.backward()
        results.append((value.detach(), x.grad, y.grad))
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-6)
