"""What is measured of layers, steps and losses; looking changes nothing."""

from __future__ import annotations

import math

import pytest
import torch
from helpers.build import build
from helpers.small_models import CONV
from torch import nn

from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import digits
from ssl_pipeline.diagnostics import (
    StepSizes,
    Taps,
    batch_effects,
    changes,
    layers_of,
    loss_gradients,
)
from ssl_pipeline.diagnostics.layers import input_share
from ssl_pipeline.diagnostics.rank import effective_ranks


def test_share_of_the_input_is_variance_over_square():
    h = torch.randn(50, 7) * torch.arange(7) + 3
    expected = sum(float(h[:, f].var(unbiased=False)) for f in range(7)) / (float(h.square().sum()) / 50)
    assert float(input_share(h)) == pytest.approx(expected, rel=1e-5)
    assert float(input_share(torch.ones(4, 3))) == 0


@pytest.mark.parametrize("width", [10, 200])
def test_effective_rank_is_that_of_the_singular_values_about_the_mean(width):
    x = torch.randn(64, width) * torch.logspace(0, -1.2, width) + 9
    s = torch.linalg.svdvals((x - x.mean(0)).double())
    p = s[s >= 0.01 * s[0]] / s[s >= 0.01 * s[0]].sum()
    assert effective_ranks([x])[0] == pytest.approx(float(torch.exp(-(p * p.log()).sum())), rel=1e-3)
    low = torch.randn(64, 3) @ torch.randn(3, width)
    assert effective_ranks([low.bfloat16(), torch.ones(5, 2)])[0] < 3.1  # rounding adds no directions
    assert effective_ranks([torch.ones(5, 2)]) == [1.0]


def test_taps_hear_tokens_and_maps_alike():
    layers = {"conv": nn.Conv2d(3, 8, 1), "linear": nn.Linear(3, 8), "table": nn.Embedding(5, 8)}
    layers["linear"].load_state_dict({"weight": layers["conv"].weight[..., 0, 0], "bias": layers["conv"].bias})
    x, taps = torch.randn(6, 3, 4, 4), Taps(layers)
    with taps.listening():
        layers["conv"](x), layers["linear"](x.flatten(2).transpose(1, 2)), layers["table"](torch.arange(5)[:, None] % 5)
    heard = taps.passed()
    assert list(heard) == ["conv", "linear", "table"] and math.isnan(heard["table"].rank_in)
    assert heard["conv"].share == pytest.approx(heard["linear"].share, rel=1e-4)
    assert heard["conv"].rank == pytest.approx(heard["linear"].rank, rel=1e-3)
    assert heard["conv"].magnitude == pytest.approx(layers["conv"](x).square().mean().sqrt().log10().item(), abs=1e-4)
    layers["conv"](x + 1)  # nobody listens any more
    assert taps.passed()["conv"] == heard["conv"]


def test_changes_are_relative():
    before = {"a": torch.tensor([[3.0, 4.0]]), "b": torch.ones(1, 2)}
    assert changes({"a": torch.tensor([[3.0, 5.0]]), "c": torch.ones(1, 2)}, before) == {"a": pytest.approx(0.2)}


def test_a_step_is_measured():
    net = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net[0](torch.ones(2, 4)).square().sum().backward()
    old, gradient = net[0].weight.detach().clone(), net[0].weight.grad.clone()
    step = StepSizes(layers_of(net))
    step.before()
    optimizer.step()
    moved = step.after()
    assert list(moved) == ["0"]  # the other had no gradient
    assert moved["0"].update == pytest.approx(float(0.1 * gradient.norm() / old.norm()), rel=1e-4)
    assert moved["0"].gradient == pytest.approx(float(gradient.square().mean().sqrt().log10()), rel=1e-4)


def graph_of(*overrides):
    data = digits()
    return build(compose([*CONV, *overrides]), data.grid).eval(), data.train[range(24)]


def test_pulls_are_gradients_of_weighted_losses():
    graph, batch = graph_of("corruption=mask+noise", "objective=reconstruct+align", "objective.align.weight=0.5")
    views = graph.corrupt(batch, whole=True)
    found = loss_gradients(graph, views)
    assert found.names == ("reconstruct/mask", "reconstruct/noise", "align/mask~noise")
    assert all(p.grad is None for p in graph.parameters())
    weight = {"reconstruct/mask": 0.5, "reconstruct/noise": 0.5, "align/mask~noise": 0.5}
    expected = []
    for name in found.names:
        graph.zero_grad()
        (weight[name] * graph(views)[name]).backward()
        grads = [layer.weight.grad for layer in layers_of(graph.encoder).values()]
        expected.append(torch.cat([g.flatten()[:65_536] for g in grads]))
    norms = torch.stack([g.norm() for g in expected])
    assert torch.allclose(found.norms, norms, rtol=1e-3)
    cosine = torch.nn.functional.cosine_similarity(expected[0], expected[2], dim=0)
    assert float(found.cosines[0, 2]) == pytest.approx(float(cosine), abs=1e-3)


def test_many_edges_are_taken_by_term():
    views = "corruption=mask+noise+lowres+reversal"
    graph, batch = graph_of(views, "objective=reconstruct+align", "objective.align.weight=0.5")
    views = graph.corrupt(batch, whole=True)
    found = loss_gradients(graph, views)
    assert found.names == ("reconstruct", "align")
    losses = graph(views)
    total = sum(losses[edge.name] for edge in graph.edges["align"]) / 6 * 0.5
    grads = torch.autograd.grad(total, [layer.weight for layer in layers_of(graph.encoder).values()])
    assert float(found.norms[1]) == pytest.approx(float(torch.cat([g.flatten() for g in grads]).norm()), rel=1e-3)


def test_batch_effects_leave_the_statistics():
    graph, batch = graph_of("corruption=mask+noise")
    before = {name: value.clone() for name, value in graph.state_dict().items()}
    modes = [part.training for part in graph.modules()]
    views = graph.normalized(graph.corrupt(batch, whole=True).views)
    found = batch_effects(graph, views, graph.students, size=64)
    again = batch_effects(graph, views, graph.students, size=16)
    assert again["noise"]["encoder.stages.1.0.conv2"] == pytest.approx(2 * found["noise"]["encoder.stages.1.0.conv2"])
    assert found["noise"]["encoder.stem"] == 0 < found["noise"]["encoder.stages.1.0.conv2"]
    assert all(torch.equal(value, before[name]) for name, value in graph.state_dict().items())
    assert [part.training for part in graph.modules()] == modes
    group, _ = graph_of("corruption=mask+noise", "encoder.norm=group")
    group.encoder.standard = nn.Identity()
    assert batch_effects(group, views, group.students, size=64) == {}
    few_shot = {name: view.first(3) for name, view in views.items()}
    assert batch_effects(graph, few_shot, graph.students, size=64) == {}


@pytest.mark.parametrize("shape", [(16, 1024, 128), (16, 32, 64, 64)])
def test_all_channels_and_places_are_heard(shape):
    h = torch.randn(shape)
    h[..., 0] = 1  # a channel, or a border
    taps = Taps({})
    taps.hear("h", h, axis=-1 if h.ndim == 3 else 1)
    assert taps.passed()["h"].share == pytest.approx(float(input_share(h.flatten(1))), abs=0.05)


def test_rounding_under_autocast_adds_no_directions():
    x = torch.randn(64, 1) @ torch.randn(1, 200)
    with torch.autocast("cpu", torch.bfloat16):
        assert effective_ranks([x, x.bfloat16()])[0] == pytest.approx(1, abs=0.02)


def test_an_encoder_that_does_not_learn_is_not_asked():
    graph, batch = graph_of("corruption=mask+noise")
    graph.encoder.stem.requires_grad_(False)
    views = graph.corrupt(batch, whole=True)
    assert loss_gradients(graph, views) is not None
    graph.encoder.requires_grad_(False)
    assert loss_gradients(graph, views) is None
