"""Layers that multiply: what they compute, what they can be, and what they learn that sums do not (M32, M34)."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from timm.layers.mlp import GluMlp, SwiGLU
from torch import Tensor, nn
from torch.nn import functional as F

from ssl_pipeline.lab.layers import LowRankBilinear, OuterProduct, ProductGate
from ssl_pipeline.models.layers import Trunk


@pytest.mark.parametrize("unique", [True, False])
def test_outer_product_is_every_form_of_degree_two(unique):
    layer, x = OuterProduct(3, 2, unique=unique), torch.randn(4, 5, 3)
    form = torch.zeros(2, 3, 3)
    form[:, layer.first, layer.second] = layer.linear.weight.detach()
    wanted = torch.einsum("bni,oij,bnj->bno", x, form, x) + layer.linear.bias
    torch.testing.assert_close(layer(x), wanted)
    assert layer(x).shape[-1] == layer.out_features and not {"first", "second"} & layer.state_dict().keys()


def test_low_rank_is_an_outer_product_of_that_rank():
    layer, x = LowRankBilinear(4, rank=2, out=3, bias=False), torch.randn(6, 4)
    u, v = layer.forms.weight.chunk(2)
    form = torch.einsum("or,ri,rj->oij", layer.out.weight, u, v)
    torch.testing.assert_close(layer(x), torch.einsum("bi,oij,bj->bo", x, form, x))
    assert torch.linalg.matrix_rank(form.detach()).max() <= 2


@pytest.mark.parametrize("layer", [OuterProduct, LowRankBilinear, ProductGate])
def test_widths_that_cannot_be_are_refused(layer):
    with pytest.raises(ValueError, match=r"at least one|at least 1"):
        layer(0)


@pytest.mark.parametrize("mlp", [SwiGLU, GluMlp, LowRankBilinear])
def test_a_trunk_takes_a_gated_block(mlp):
    trunk = Trunk(16, 2, 2, mlp=mlp)
    assert all(isinstance(block.mlp, mlp) for block in trunk.blocks)
    x = torch.randn(3, 5, 16, requires_grad=True)
    trunk(x).sum().backward()
    assert x.grad is not None and all(p.grad is not None for p in trunk.blocks.parameters())


def test_a_swiglu_gates_by_swish():
    """Block would tell it GELU."""
    assert isinstance(Trunk(16, 1, 2, mlp=SwiGLU).blocks[0].mlp.act, nn.SiLU)


# M32: y = x_1 x_2


def square(n: int, seed: int, reach: float = 1.0) -> Tensor:
    return (torch.rand(n, 2, generator=torch.Generator().manual_seed(seed)) * 2 - 1) * reach


def fitted(net: nn.Module, steps: int) -> nn.Module:
    x = square(512, 0)
    optimiser = torch.optim.LBFGS(
        net.parameters(), max_iter=steps, tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = F.mse_loss(net(x)[:, 0], x.prod(1))
        value.backward()
        return value

    optimiser.step(loss)
    return net


@torch.no_grad()
def missed(net: nn.Module, reach: float) -> float:
    """Share of the target's variance that is not explained on unseen pairs."""
    x = square(512, 1, reach)
    return float(F.mse_loss(net(x)[:, 0], x.prod(1)) / x.prod(1).var())


@pytest.mark.parametrize(
    ("make", "size"),
    [
        (lambda: OuterProduct(2, 1), 4),
        (lambda: OuterProduct(2, 1, unique=False), 5),
        (lambda: LowRankBilinear(2, rank=1, out=1), 8),
    ],
)
def test_a_product_is_learnt_by_a_handful_of_parameters(make, size):
    torch.manual_seed(0)
    net = fitted(make(), 200)
    assert sum(p.numel() for p in net.parameters()) == size
    assert missed(net, 1) < 1e-9 and missed(net, 4) < 1e-9  # also where it has seen nothing


@pytest.mark.slow
def test_a_product_is_not_learnt_by_a_hundred_thousand_that_add():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 310), nn.Tanh(), nn.Linear(310, 310), nn.Tanh(), nn.Linear(310, 1))
    net = fitted(net, 100)
    assert 1e-9 < missed(net, 1) < 1e-2  # it learns what it has seen
    assert missed(net, 4) > 0.1  # measured 0.48


# M34: parity of three of six inputs from half of the truth table


def parity(net: nn.Module, seed: int, rate: float) -> float:
    """Accuracy on the held-out half."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.tensor([*product([-1.0, 1.0], repeat=6)])
    truth = rows[:, torch.randperm(6, generator=generator)[:3]].prod(1)
    seen, held = torch.randperm(64, generator=generator).split(32)
    optimiser = torch.optim.Adam(net.parameters(), rate)
    for _ in range(600):
        optimiser.zero_grad()
        F.softplus(-truth[seen] * net(rows[seen])[:, 0]).mean().backward()
        optimiser.step()
    with torch.no_grad():
        return float((net(rows[held])[:, 0] * truth[held] > 0).float().mean())


def test_a_product_gate_is_a_conjunction_of_zeros_and_ones():
    gate = ProductGate(2, 1)
    gate.weight.data.fill_(20.0)
    rows = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    assert gate(rows).round().flatten().tolist() == [0, 0, 0, 1]


@pytest.mark.slow
def test_product_gates_find_a_parity_that_tanh_finds_less_often():
    """Measured: gates 1.0 on 7 of 8 seeds, mean 0.996; tanh 5 of 8, mean 0.961."""
    gates, tanh = [], []
    for seed in range(8):
        torch.manual_seed(seed)
        gates.append(parity(nn.Sequential(ProductGate(6, 8), nn.Linear(8, 1)), seed, 0.03))
        torch.manual_seed(seed)
        tanh.append(parity(nn.Sequential(nn.Linear(6, 32), nn.Tanh(), nn.Linear(32, 1)), seed, 0.01))
    assert sum(score == 1 for score in gates) >= 6
    assert sum(gates) > sum(tanh)
