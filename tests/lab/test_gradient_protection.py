"""Gradients of a set length (M25)."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers.processes import in_two_processes
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from ssl_pipeline.lab.layers import GradientProtection, protect_weight_gradients
from ssl_pipeline.lab.layers.gradient_protection import ROW_RULES


def behind(layer: nn.Module, x: Tensor, gradient: Tensor) -> Tensor:
    """The gradient that leaves a layer."""
    x = x.clone().requires_grad_()
    layer(x).backward(gradient)
    assert x.grad is not None
    return x.grad


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Along the last axis, of numbers of any size."""
    return (F.normalize(a.double(), dim=-1, eps=0) * F.normalize(b.double(), dim=-1, eps=0)).sum(-1)


# M25


@pytest.mark.parametrize("over", ROW_RULES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_forward_pass_is_bit_identical(over, dtype):
    x = torch.randn(4, 3, 8, dtype=dtype)
    assert GradientProtection(over)(x).equal(x)


@pytest.mark.parametrize("shape", [(6, 8), (6, 5, 8)])
@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_a_row_keeps_its_direction_and_gets_the_length(shape, scale):
    lengths = torch.logspace(-12, 6, 6).view(6, *(1,) * (len(shape) - 1))
    g = torch.randn(shape) * lengths
    found = behind(GradientProtection(scale=scale, eps=1e-20, mean=False), torch.randn(shape), g)
    torch.testing.assert_close(cosine(found, g), torch.ones(shape[:-1]).double())
    torch.testing.assert_close(found.square().mean(-1).sqrt(), torch.full(shape[:-1], scale))


def test_a_sample_keeps_the_direction_of_all_its_numbers():
    g = torch.randn(6, 5, 8) * torch.logspace(-3, 3, 5).view(5, 1)
    found = behind(GradientProtection("sample", mean=False), torch.randn(6, 5, 8), g)
    torch.testing.assert_close(found, g / g.square().mean((1, 2), keepdim=True).sqrt())


def test_over_the_batch_each_number_is_standardised():
    found = behind(GradientProtection("batch", mean=False), torch.randn(6, 5, 8), torch.randn(6, 5, 8) * 7 + 3)
    rows = found.flatten(0, 1)
    torch.testing.assert_close(rows.mean(0), torch.zeros(8), atol=1e-5, rtol=0)
    torch.testing.assert_close(rows.std(0, correction=0), torch.ones(8))


def test_maps_have_their_channels_on_axis_one():
    g = torch.randn(2, 8, 3, 4)
    found = behind(GradientProtection(axis=1, mean=False), torch.randn(2, 8, 3, 4), g)
    torch.testing.assert_close(found, g / g.square().mean(1, keepdim=True).sqrt())


def test_a_gradient_of_zero_stays_and_one_below_eps_is_not_raised_to_the_length():
    g = torch.tensor([[0.0, 0.0], [1e-7, 1e-7], [1.0, 1.0]])
    found = behind(GradientProtection(eps=1e-5, mean=False), torch.zeros(3, 2), g)
    torch.testing.assert_close(found[:, 0], torch.tensor([0.0, 1e-2, 1.0]))


def test_weights_get_the_mean_of_rows_however_many_there_are():
    """Also where the loss is a mean, whose gradients of a row fall with their number."""
    torch.manual_seed(0)
    head, x = nn.Linear(8, 1), torch.randn(16, 8)
    found = []
    for times in (1, 4):
        layer = nn.Linear(8, 8)
        layer.load_state_dict({"weight": torch.eye(8), "bias": torch.zeros(8)})
        head(GradientProtection(eps=0.2)(layer(x.repeat(times, 1)))).square().mean().backward()
        found.append(layer.weight.grad)
    torch.testing.assert_close(found[0], found[1])


def test_the_loss_scale_is_erased():
    x, g = torch.randn(4, 8), torch.randn(4, 8)
    layer = GradientProtection()
    torch.testing.assert_close(behind(layer, x, g), behind(layer, x, 1024 * g))


def test_sixteen_bits_are_computed_in_thirty_two():
    x, g = torch.randn(64, 49, 96).bfloat16(), torch.randn(64, 49, 96).bfloat16() * 1e-25  # squares underflow
    found = behind(GradientProtection(eps=1e-15), x, g)
    assert found.dtype == torch.bfloat16
    rms = found.float().square().mean(-1).sqrt() * 64 * 49
    assert (rms > 0).all() and (cosine(found, g) > 0.999).all()


def deep(over: str | None, seed: int, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Thirty layers, and the gradient of ten classes in them."""
    torch.manual_seed(seed)
    blocks = [
        nn.Sequential(nn.Linear(64, 64), activation(), nn.Identity() if over is None else GradientProtection(over))
        for _ in range(30)
    ]
    net = nn.Sequential(*blocks, nn.Linear(64, 10))
    F.cross_entropy(net(torch.randn(64, 64)), torch.randint(10, (64,))).backward()
    return net


def first_to_last(net: nn.Sequential) -> float:
    first, last = (net[i][0].weight.grad.square().mean().sqrt() for i in (0, 29))  # pyright: ignore
    return float(first / last)


@pytest.mark.parametrize("over", ["row", "sample"])
@pytest.mark.parametrize("seed", range(4))
def test_thirty_layers_get_gradients_of_one_order(seed, over):
    """Measured with sigmoid 1.4 to 2.6; with ReLU 15 to 50, since activations shrink and are not protected."""
    assert first_to_last(deep(None, seed, nn.Sigmoid)) == 0
    assert 0.1 < first_to_last(deep(over, seed, nn.Sigmoid)) < 10
    assert first_to_last(deep(None, seed)) < 1e-9
    assert 1 < first_to_last(deep(over, seed)) < 100


def test_over_the_batch_last_layers_get_nothing_where_activations_are_constant():
    """What does not hold: mean 0 over the batch times one constant is 0."""
    assert first_to_last(deep("batch", 0)) > 1e6


def test_weights_gradients_all_get_one_length():
    net = deep(None, 0)
    before = [p.grad.clone() for p in net.parameters() if p.grad is not None]
    protect_weight_gradients(net.parameters(), 0.1)
    for parameter, old in zip(net.parameters(), before, strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad.square().mean().sqrt(), torch.tensor(0.1))
        assert cosine(parameter.grad.flatten(), old.flatten()) == pytest.approx(1)
    assert first_to_last(net) == pytest.approx(1)


@pytest.mark.parametrize(
    ("options", "said"),
    [({"over": "rows"}, r"over='rows' is not known; take one of row, sample, batch"), ({"scale": 0.0}, "positive")],
)
def test_options_that_cannot_be_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        GradientProtection(**options)


def _net(over: str, mean: bool) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 8), nn.Tanh(), GradientProtection(over, mean=mean), nn.Linear(8, 8), nn.Tanh())


def _gradients(net: nn.Module, x: Tensor) -> list[Any]:
    net(x).square().mean().backward()
    protect_weight_gradients([*net.parameters()][-1:])
    return [p.grad.tolist() for p in net.parameters() if p.grad is not None]


HOW = [(over, mean) for over in ROW_RULES for mean in (True, False)]


def _as_rank(rank: int, queue: Any, x: Tensor) -> None:
    rows = x.chunk(2)[rank]
    queue.put((rank, {how: _gradients(DistributedDataParallel(_net(*how)), rows) for how in HOW}))


@pytest.mark.slow
def test_two_processes_give_the_gradients_of_one():
    x = torch.randn(8, 5, 8, generator=torch.Generator().manual_seed(1))
    ranks = [found for _, found in in_two_processes(_as_rank, x)]
    for how in HOW:
        alone = _gradients(_net(*how), x)
        for found in ranks:
            for a, b in zip(found[how], alone, strict=True):
                torch.testing.assert_close(torch.tensor(a), torch.tensor(b))
