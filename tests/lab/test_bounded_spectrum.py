"""Layers whose singular values are bounded (M30)."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ssl_pipeline.lab.layers import bounded_spectrum

# M30


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (6, 6)])
def test_singular_values_are_bounded_and_nothing_else_changes(shape):
    w = torch.randn(shape)
    low, high = torch.linalg.svdvals(w).quantile(torch.tensor([0.3, 0.7])).tolist()
    u, s, v = torch.linalg.svd(w, full_matrices=False)
    torch.testing.assert_close(bounded_spectrum(w, low, high), u @ s.clamp(low, high).diag() @ v, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(bounded_spectrum(w, 1e-6, 100.0), w, rtol=1e-4, atol=1e-5)


def test_a_matrix_of_one_direction_becomes_invertible():
    w = bounded_spectrum(torch.ones(5, 5), 0.1, 10.0)
    torch.testing.assert_close(torch.linalg.svdvals(w), torch.tensor([5.0, 0.1, 0.1, 0.1, 0.1]))


def pressed(bounds: tuple[float, float] | None, strength: float = 1.0) -> tuple[float, float]:
    """A net under strong weight decay: its worst condition, and the mean of |log10 |vW|| with |v| = 1.

    Measured: 6e7 and 0.92 without bounds, 29 and 0.57 projected, 20 and 0.76 half the way.
    """
    torch.manual_seed(0)
    net = nn.Sequential(*[m for _ in range(4) for m in (nn.Linear(32, 32), nn.Tanh())], nn.Linear(32, 1))
    x, y = torch.randn(256, 32), torch.randn(256, 1)
    optimiser = torch.optim.AdamW(net.parameters(), 1e-2, weight_decay=5.0)
    weights = [net[i].weight for i in range(0, 8, 2)]
    for _ in range(300):
        optimiser.zero_grad()
        F.mse_loss(net(x), y).backward()
        optimiser.step()
        for weight in weights if bounds is not None else ():
            with torch.no_grad():
                weight.lerp_(bounded_spectrum(weight, *bounds), strength)
    found = [torch.linalg.svdvals(weight.detach()) for weight in weights]
    v = F.normalize(torch.randn(256, 32), dim=1)
    logs = torch.stack([(v @ weight.detach()).norm(dim=1).log10().abs().mean() for weight in weights])
    return max(float(s[0] / s[-1]) for s in found), float(logs.mean())


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_under_weight_decay_matrices_stay_invertible(strength):
    condition, log = pressed(None)
    bounded, bounded_log = pressed((0.1, 10.0), strength)
    assert condition > 1e4 and bounded < 150
    assert bounded_log < log and bounded_log < 1
