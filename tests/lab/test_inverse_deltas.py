"""Deltas through the inverse of a layer (M28)."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from timm.optim import Lamb, Lion, Muon
from torch import Tensor, nn
from torch.nn import functional as F

from ssl_pipeline.lab.layers import InverseDeltaLinear, damped_inverse


def behind(layer: nn.Module, x: Tensor, gradient: Tensor) -> Tensor:
    """The gradient that leaves a layer."""
    x = x.clone().requires_grad_()
    layer(x).backward(gradient)
    assert x.grad is not None
    return x.grad


# M28


def test_of_two_inputs_the_shortest_change():
    """z = 0.5 x + 0.2 y."""
    layer = InverseDeltaLinear(2, 1, damping=0.0)
    layer.weight.data.copy_(torch.tensor([[0.5, 0.2]]))
    dx = behind(layer, torch.zeros(1, 2), torch.ones(1, 1))
    torch.testing.assert_close(dx, torch.tensor([[0.5, 0.2]]) / 0.29)  # 1.72, 0.69
    torch.testing.assert_close(F.linear(dx, layer.weight), torch.ones(1, 1))  # that is what was wanted


@pytest.mark.parametrize("shape", [(5, 9), (9, 5), (7, 7)])
def test_the_inverse_is_the_one_of_the_formula(shape):
    w = torch.randn(shape).double()
    for damping in (0.01, 1.0):
        mean = torch.linalg.svdvals(w).square().mean()
        wanted = torch.linalg.solve(w @ w.T + damping * mean * torch.eye(shape[0]).double(), w)
        torch.testing.assert_close(damped_inverse(w.float(), damping).double(), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("damping", [0.0, 0.5])
def test_the_inverse_of_an_orthogonal_map_is_its_transpose(damping):
    q = torch.linalg.qr(torch.randn(6, 6)).Q
    torch.testing.assert_close(damped_inverse(q, damping), q / (1 + damping))


def pair(**options: Any) -> tuple[nn.Linear, InverseDeltaLinear]:
    torch.manual_seed(0)
    plain = nn.Linear(6, 4)
    made = InverseDeltaLinear(6, 4, **options)
    made.load_state_dict(plain.state_dict())
    return plain, made


@pytest.mark.parametrize("sixteen", [False, True])
def test_forward_and_weights_are_those_of_a_linear_layer(sixteen):
    plain, made = pair()
    x, g = torch.randn(3, 5, 6, requires_grad=True), torch.randn(3, 5, 4)
    for layer in (plain, made):
        with torch.autocast("cpu", torch.bfloat16, enabled=sixteen):
            y = layer(x)
        y.backward(g.to(y.dtype))
    with torch.autocast("cpu", torch.bfloat16, enabled=sixteen):
        assert made(x).equal(plain(x)) and made(x).dtype == plain(x).dtype
    for ours, theirs in zip(made.parameters(), plain.parameters(), strict=True):
        assert ours.grad is not None and theirs.grad is not None and ours.grad.equal(theirs.grad)


def test_its_input_gets_no_gradient_of_a_loss():
    """Gradcheck fails by design."""
    made = InverseDeltaLinear(4, 3).double()
    x = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    assert not torch.autograd.gradcheck(made, x, raise_exception=False)
    assert torch.autograd.gradcheck(nn.Linear(4, 3).double(), x, raise_exception=False)


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.AdamW(p, 0.1, fused=True),  # which does not raise the weight's version
        lambda p: torch.optim.SGD(p, 0.1),
        lambda p: Lion(p, 0.1),
        lambda p: Lamb(p, 0.1),
        lambda p: Muon(p, 0.1),
    ],
)
def test_the_inverse_follows_the_optimiser(make, monkeypatch):
    _, made = pair()
    calls = []
    monkeypatch.setattr(
        "ssl_pipeline.lab.layers.inverse_delta.damped_inverse", lambda *a: calls.append(1) or damped_inverse(*a)
    )
    optimiser = make([made.weight])
    for step in range(3):
        x = [torch.randn(2, 6, requires_grad=True) for _ in range(4)]
        ys = [made(one) for one in x]  # a batch in pieces
        assert len(calls) == step + 1
        torch.cat(ys).square().sum().backward()
        wanted = 2 * ys[0] @ damped_inverse(made.weight, made.damping)
        torch.testing.assert_close(x[0].grad, wanted.detach())
        optimiser.step()
        optimiser.zero_grad()


def test_without_a_gradient_there_is_no_inverse(monkeypatch):
    monkeypatch.setattr("ssl_pipeline.lab.layers.inverse_delta.damped_inverse", None)
    plain, made = pair()
    x = torch.randn(2, 6)
    with torch.no_grad():
        assert torch.equal(made(x.clone().requires_grad_()), plain(x))
    for layer in (plain, made):
        layer(x).sum().backward()
    assert torch.equal(made.weight.grad, plain.weight.grad)


def test_a_copy_has_an_inverse_of_its_own():
    _, made = pair()
    made(torch.randn(2, 6, requires_grad=True))
    twin = copy.deepcopy(made)
    twin.weight.data.mul_(2)
    torch.testing.assert_close(twin.inverse(), damped_inverse(made.weight, 0.1) / 2)


def test_negative_damping_is_refused():
    with pytest.raises(ValueError, match=r"damping=-1: expected a share"):
        InverseDeltaLinear(2, 2, damping=-1)


def nmse(damping: float | None, seed: int) -> float:
    """Four layers with tanh learn what two others do, by plain SGD; share of the variance that is missed."""

    def linear(before: int, after: int) -> nn.Linear:
        return nn.Linear(before, after) if damping is None else InverseDeltaLinear(before, after, damping=damping)

    torch.manual_seed(seed)
    x, other = torch.randn(512, 16), nn.Sequential(nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 4))
    y = other(x).detach()
    y = (y - y.mean(0)) / y.std(0)
    net = nn.Sequential(linear(16, 64), nn.Tanh(), linear(64, 64), nn.Tanh(), linear(64, 64), nn.Tanh(), linear(64, 4))
    optimiser, loss = torch.optim.SGD(net.parameters(), 0.1), torch.tensor(0.0)
    for _ in range(400):
        optimiser.zero_grad()
        loss = F.mse_loss(net(x), y)
        loss.backward()
        optimiser.step()
    return float(loss.detach())


@pytest.mark.slow
def test_damped_deltas_learn_as_gradients_do_and_undamped_ones_do_not():
    """Measured: SGD 0.026, 0.029, 0.025; damped by 0.1: 0.030, 0.033, 0.029; undamped: 0.050, 0.106, 0.071."""
    for seed in range(3):
        sgd = nmse(None, seed)
        assert nmse(0.1, seed) <= 1.3 * sgd < nmse(0.0, seed)
