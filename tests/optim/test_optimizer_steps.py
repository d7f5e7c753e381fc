"""Steps of optimisers, against the formulas of the papers."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from helpers.optimizers import Mixture, moved, recipe
from torch import nn


def matrix_and_steps(name: str, steps: int = 3):
    """A matrix with its gradients, and where an optimiser of ``conf/optimizer`` takes it."""
    generator = torch.Generator().manual_seed(1)
    start = torch.randn(6, 5, generator=generator)
    grads = [torch.randn(6, 5, generator=generator) for _ in range(steps)]
    layer = nn.Linear(5, 6, bias=False)
    layer.weight.data = start.clone()
    made = recipe(name)
    optimiser = made.optimizer(layer, 256)
    for grad in grads:
        layer.weight.grad = grad.clone()
        optimiser.step()
    return start, grads, made, layer.weight.detach()


def test_sgd_adds_decay_to_the_gradient_and_looks_ahead():
    w, grads, made, found = matrix_and_steps("sgd")
    v = torch.zeros_like(w)
    for g in grads:
        g = g + 1e-4 * w
        v = 0.9 * v + g
        w = w - made.lr * (g + 0.9 * v)
    torch.testing.assert_close(found, w)


def test_lars_is_algorithm_1_of_1708_03888():
    w, grads, made, found = matrix_and_steps("lars")
    v, eta, beta = torch.zeros_like(w), 1e-3, 1e-6
    for g in grads:
        rate = eta * w.norm() / (g.norm() + beta * w.norm())
        v = 0.9 * v + made.lr * rate * (g + beta * w)
        w = w - v
    torch.testing.assert_close(found, w)


def test_lars_leaves_vectors_to_sgd():
    model = Mixture()
    steps = moved(model, recipe("lars").optimizer(model, 256))
    torch.testing.assert_close(steps["linear.bias"], -0.3 * model.linear.bias.grad)


def test_lamb_is_algorithm_2_of_1904_00962():
    w, grads, made, found = matrix_and_steps("lamb")
    m = v = torch.zeros_like(w)
    for t, g in enumerate(grads, 1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        update = m / (1 - 0.9**t) / ((v / (1 - 0.999**t)).sqrt() + 1e-6) + made.weight_decay * w
        w = w - made.lr * w.norm() / update.norm() * update
    torch.testing.assert_close(found, w)


def test_lion_is_algorithm_2_of_2302_06675():
    w, grads, made, found = matrix_and_steps("lion")
    m = torch.zeros_like(w)
    for g in grads:
        w = w - made.lr * ((0.9 * m + 0.1 * g).sign() + made.weight_decay * w)
        m = 0.99 * m + 0.01 * g
    torch.testing.assert_close(found, w)


@pytest.mark.parametrize("name", ["adamw", "lion", "muon"])
def test_decay_is_apart_from_the_gradient(name):
    model, made = Mixture(), recipe(name)
    before = deepcopy(model.state_dict())
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    made.optimizer(model, 256).step()
    for key, value in model.state_dict().items():
        decay = 0.0 if key.endswith("bias") else made.weight_decay
        torch.testing.assert_close(value, before[key] * (1 - made.lr * decay))


def test_muon_steps_are_orthogonal_and_as_large_as_those_of_adamw():
    model, made = Mixture(), recipe("muon", "optimizer.weight_decay=0")
    steps = {key: value / made.lr for key, value in moved(model, made.optimizer(model, 256)).items()}
    for key in ("linear.weight", "conv.weight"):
        step = steps[key].flatten(1)
        singular = torch.linalg.svdvals(step) / (0.2 * max(step.shape) ** 0.5)
        assert singular.min() > 0.7 and singular.max() < 1.3, key
        assert singular.max() / singular.min() < torch.linalg.cond(getattr(model, key[:-7]).weight.grad.flatten(1))
    for key in ("linear.bias", "conv.bias", "table.weight", "token"):  # Adam's first step is the gradient's sign
        sign = model.get_parameter(key).grad.sign()
        torch.testing.assert_close(steps[key], -sign * steps[key].abs().max(), rtol=1e-3, atol=1e-3)
