"""Information flow and the dynamics of training (M17 to M29): what passes stacks of layers, and what they learn."""

from __future__ import annotations

import importlib
import math
from statistics import mean

import pytest
import torch
from helpers.paths import SCRIPTS
from timm.models.vision_transformer import Block
from torch import nn
from torch.func import jacrev, vmap

from ssl_pipeline.diagnostics import changes, entropy_rank, layers_of, listen, weight_ranks
from ssl_pipeline.diagnostics.judge import VANISHED
from ssl_pipeline.lab.diagnostics import (
    delta_agreement,
    delta_agreements,
    deltas,
    low_rank_errors,
    low_rank_tail,
    path_spectrum,
)


@pytest.fixture
def study(monkeypatch):
    """Imports a study of scripts/probe_dynamics.py."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return lambda name: importlib.import_module(f"dynamics_{name}")


@pytest.fixture
def data(study):
    return study("stacks").digits()


def bottleneck(rank):
    """Four maps, the second and third of which let ``rank`` directions pass."""
    torch.manual_seed(0)
    maps = nn.Linear(64, 64), nn.Linear(64, rank), nn.Linear(rank, 64), nn.Linear(64, 64)
    return nn.Sequential(maps[0], nn.ReLU(), *maps[1:3], nn.ReLU(), maps[3]), torch.randn(256, 64)


# M17: rank as throughput.


@pytest.mark.parametrize("rank", [2, 5, 12])
def test_a_planted_bottleneck_is_found_in_weights_activations_and_the_path(rank):
    net, x = bottleneck(rank)
    weights = weight_ranks(layers_of(net))
    passed = listen(net, x).passed()
    s = path_spectrum(net, x[:8], count=24)
    assert 0.8 * rank < weights["3"] <= rank + 1e-4 and weights["0"] > 40
    assert 0.8 * rank < passed["3"].rank <= rank + 1e-4 and passed["0"].rank > 30
    assert ((s > 1e-4 * s[:, :1]).sum(1) == rank).all()
    assert (entropy_rank(s) <= rank + 1e-4).all() and entropy_rank(s).mean() > 0.6 * rank


def test_the_spectrum_of_a_path_is_that_of_its_jacobian():
    net, x = bottleneck(40)
    expected = torch.linalg.svdvals(vmap(jacrev(net))(x[:6]))[:, :10]
    found = path_spectrum(net, x[:6], count=10, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(found, expected, rtol=0.02)
    exact = path_spectrum(net, x[:6], count=64)
    assert exact.shape == (6, 64) and torch.allclose(exact[:, :10], expected, rtol=1e-4)


def test_a_path_may_hold_convolutions_and_attention_and_is_left_as_it_was():
    block = Block(8, 2).eval()
    net = nn.Sequential(nn.Conv1d(4, 8, 3), nn.Flatten(2), nn.Unflatten(1, (8,)), nn.BatchNorm1d(8)).eval()

    def path(x):
        return block(net(x).transpose(1, 2))

    x = torch.randn(2, 4, 6)
    expected = torch.linalg.svdvals(
        torch.stack([jacrev(lambda one: path(one[None])[0].flatten())(one).flatten(1) for one in x])
    )
    assert torch.allclose(path_spectrum(path, x, count=5), expected[:, :5], rtol=1e-3)
    assert all(weight.grad is None for weight in (*net.parameters(), *block.parameters()))


def test_a_path_needs_floats_and_keeps_samples_apart():
    with pytest.raises(ValueError, match=r"expected floats, got torch\.int64"):
        path_spectrum(nn.Embedding(5, 3), torch.zeros(2, 4, dtype=torch.long))
    with pytest.raises(ValueError, match="expected a path from 2 samples to as many rows"):
        path_spectrum(lambda x: x.sum(0, keepdim=True), torch.zeros(2, 4))


# M18: trained low-rank probe.


@pytest.mark.parametrize("scale", [0.0, 0.5])
def test_what_a_low_rank_map_leaves_is_the_tail_of_the_singular_values(scale):
    torch.manual_seed(0)
    x = torch.randn(400, 48) * torch.arange(1, 49) ** -scale + 3
    y = nn.Linear(48, 48)(x).detach()
    errors = low_rank_errors(x, y, [1, 4, 12, 24, 36])
    for rank, error in errors.items():
        assert error == pytest.approx(low_rank_tail(y, rank), rel=0.05), rank


def test_the_error_cannot_be_pushed_down_below_the_rank_of_a_bottleneck():
    net, x = bottleneck(6)
    errors = low_rank_errors(h := net[:2](x), net[:4](x), [5, 6], generator=torch.Generator().manual_seed(0))
    assert errors[5] > 0.02 and errors[6] < 1e-4
    assert low_rank_errors(h, torch.randn(256, 3), [3])[3] > 0.5  # of what x does not say most remains at any rank


def test_the_low_rank_probe_refuses_what_it_cannot_explain():
    x = torch.randn(8, 3)
    with pytest.raises(ValueError, match="expected ranks of at least 1"):
        low_rank_errors(x, x, [0, 1])
    with pytest.raises(ValueError, match="got 8 and 7 rows"):
        low_rank_errors(x, x[:7], [1])
    with pytest.raises(ValueError, match="got a constant"):
        low_rank_errors(x, torch.full((8, 2), 0.1), [1])


# M19, M23: one label for all.


def test_an_echo_keeps_the_hidden_variance_that_one_label_for_all_takes(study, data):
    """M19. Seen: 0.002 without, 40 with it."""
    echo = study("echo")
    sgd, loss = echo.OPTIMIZERS["SGD"], echo.LOSSES["squared error from 1"]
    (start, _), (without, lost) = echo.train(data, sgd, loss, echo=False, steps=300)
    _, (held, share) = echo.train(data, sgd, loss, echo=True, steps=300)
    assert without < 0.3 * start and held > 100 * start
    assert lost < 0.02 and share > 0.2


def test_one_label_for_all_drives_the_input_out(study, data):
    """M23: without weight decay S falls to a twentieth and stays there; with it below the alarm."""
    echo = study("echo")
    loss = echo.LOSSES["squared error from 1"]
    (_, start), (_, decayed) = echo.train(data, echo.OPTIMIZERS["SGD, decay 5e-3"], loss, echo=False, steps=200)
    _, (_, plain) = echo.train(data, echo.OPTIMIZERS["SGD"], loss, echo=False, steps=200)
    assert start > 0.1 and decayed < VANISHED / 10
    assert VANISHED < plain < start / 10


@pytest.mark.slow
def test_an_echo_keeps_hidden_variance_but_where_decay_is_faster_than_it_learns(study, data):
    """M19 with other losses and optimisers; that one of them fails is what was measured."""
    found = {(one.optimizer, one.loss, one.echo): one for one in study("echo").sweep(data, steps=600, seeds=3)}
    for (optimizer, loss, echo), one in found.items():
        if not echo:
            with_it = found[optimizer, loss, True]
            holds = (optimizer, loss) != ("SGD, decay 5e-3", "squared error from 1")
            assert (with_it.share[1] > 5 * one.share[1] and with_it.share[1] > 0.1) is holds, (optimizer, loss)


# M22: bits per step.


@pytest.mark.slow
def test_one_bit_a_try_does_not_scale(study):
    """M22, where more weights are a harder task: about as many evaluations more as weights; backprop hardly any."""
    found = {one.learner: one for one in study("bits").curves((8, 32, 128), 3, 20_000) if one.task == "linear map"}
    assert 0.8 < found["one bit"].exponent < 1.5
    assert found["backprop"].exponent < 0.5
    assert found["one bit"].evaluations[-1] > 50 * found["backprop"].evaluations[-1]


@pytest.mark.slow
def test_one_bit_a_try_does_not_grow_faster_where_more_weights_are_no_harder_task(study):
    """M22 does not hold for weights as such: of a wider layer that is to do the same, both take as much more."""
    found = {(one.task, one.learner): one.exponent for one in study("bits").curves((8, 32, 128, 256), 5, 50_000)}
    assert found["more inputs", "one bit"] > found["more inputs", "backprop"] + 0.4
    assert found["wider", "one bit"] < found["wider", "backprop"] + 0.4


# M23, M24, M25: depth.


def test_plain_stacks_lose_their_input(study, data):
    """M23: .66, .03 and 4e-6 behind 2, 5 and 10 maps; a stack may be any module."""
    net = study("stacks").body("plain", 10, inputs=128)
    share = [passed.share for passed in listen(net, torch.randn(512, 128)).passed().values()]
    assert 0.5 < share[1] < 0.8 and 0.01 < share[4] < 0.1 and 1e-7 < share[9] < VANISHED / 10
    normed, *_ = study("depth").magnitudes(data, "LayerNorm", 10)
    assert normed[-1] > 0.05


def test_protection_keeps_gradients_through_thirty_layers(study, data):
    """M25. A weight's gradient is also as large as what comes in: the first three maps see more than the others do.

    From the fourth on sizes are within a decade. Of the first it is 4 times that of the last for one target for all,
    but 50 to 75 times for labels, whose gradients cancel where all samples have become alike.
    """
    depth = study("depth")
    found = {
        kind: depth.Depth(kind, 30, *depth.magnitudes(data, kind, 30), accuracy=0.0)
        for kind in ("plain", "protected", "LayerNorm, protected")
    }
    assert found["plain"].ratio() < 1e-8 and found["plain"].ratio(3) < 1e-8
    assert 0.1 < found["protected"].ratio(3) < 10
    assert 10 < found["protected"].ratio() < 200
    assert 0.1 < found["LayerNorm, protected"].ratio() < 10


@pytest.mark.parametrize(("kind", "least", "most"), [("plain", 0, 1e-8), ("protected", 0.1, 10)])
def test_one_target_for_all_reaches_the_first_of_thirty_layers_only_if_protected(study, data, kind, least, most):
    """M25, where the samples' gradients do not cancel: first over last, 4 against 2e-11."""
    net = study("depth").classifier(kind, 30, seed=0)
    (net(data.x[:128]) - 1).square().mean().backward()
    first, *_, last = (layer.weight.grad.square().mean().sqrt() for layer in layers_of(net[0]).values())
    assert least < first / last < most


@pytest.mark.slow
def test_protection_alone_does_not_teach_a_deep_stack_and_a_norm_does(study, data):
    """M25: what is lost on the way forth no gradient brings back, and stacks of few layers learn no better for it."""
    found = {(one.kind, one.depth): one.accuracy for one in study("depth").sweep(data, (5, 10), 100)}
    assert found["plain", 10] < 20 and found["protected", 10] < 40
    assert found["LayerNorm", 10] > 90 and found["LayerNorm, protected", 10] > 90
    assert found["protected", 5] < found["plain", 5]


# M26, M27: forward stability and equal steps.


@pytest.mark.slow
def test_forward_stability_sees_what_changes_under_the_same_input(study, data):
    """M26: dropout most, then batch statistics, then nothing and LayerNorm; an average of weights less than weights."""
    found = {(one.row, one.rate): one for one in study("stability").sweep(data, epochs=16)}
    late = {row: mean(one.training[-5:]) for (row, rate), one in found.items() if rate == 1e-3}
    assert late["dropout"] > 0.8 > late["BatchNorm"] > 2 * late["none"] > late["LayerNorm"]
    assert mean(found["EMA of none", 1e-2].training) < mean(found["none", 1e-2].training)
    for one in found.values():
        if one.row in ("none", "LayerNorm"):
            assert one.training == one.evaluation


@pytest.mark.slow
def test_an_average_of_weights_lags_behind_weights_that_have_come_to_rest(study, data):
    """M26: it lowers D where weights still jump about, not where the learning rate is small."""
    found = {(one.row, one.rate): one.training for one in study("stability").sweep(data, epochs=16)}
    assert mean(found["EMA of none", 1e-3][:3]) < mean(found["none", 1e-3][:3]) / 2
    assert mean(found["EMA of none", 1e-3][-3:]) > mean(found["none", 1e-3][-3:])


def test_stability_of_any_module_is_by_layer():
    net, x = bottleneck(8)
    before = listen(net, x).kept
    for parameter in net[3].parameters():
        parameter.data.mul_(1.1)
    found = changes(listen(net, x).kept, before)
    assert found["0"] == found["2"] == 0 and found["3"] == pytest.approx(0.1) and found["5"] > 0


@pytest.mark.slow
def test_steps_are_equal_under_norms_and_not_in_plain_stacks(study, data):
    """M27: within a decade or not."""
    found = {(one.kind, one.optimizer): one.decades for one in study("steps").sweep(data, (30,), 20)}
    assert found["plain", "SGD"] > 5 and found["plain", "AdamW"] > 1
    for kind in ("LayerNorm", "LayerNorm, protected"):
        assert found[kind, "SGD"] < 1 and found[kind, "AdamW"] < 1
    assert found["protected", "AdamW"] < 1 < found["protected", "SGD"] < 2


# M29: what an input is told.


def test_deltas_agree_as_much_as_the_weight_is_even():
    torch.manual_seed(0)
    dy, turn = torch.randn(200, 32), torch.linalg.qr(torch.randn(32, 32)).Q
    even = deltas(dy, turn)
    assert delta_agreement(even["gradient"], even["mapped"]) == pytest.approx((1.0, 1.0), abs=1e-4)
    assert delta_agreement(even["gradient"], even["sign"]) == pytest.approx((1.0, (2 / torch.pi) ** 0.5), abs=0.01)
    uneven = deltas(dy, turn * torch.logspace(-2, 2, 32)[:, None])
    assert delta_agreement(uneven["gradient"], uneven["mapped"]).cosine < 0.5
    assert math.isnan(delta_agreement(torch.zeros(1, 2), torch.ones(1, 2)).cosine)  # there is nothing to compare


def test_deltas_are_those_of_the_gradients_that_come_in():
    net, x = bottleneck(8)
    found = delta_agreements(net, x, lambda y: y.square().mean(), damping=0.1)
    assert list(found) == ["0", "2", "3", "5"] and all(weight.grad is None for weight in net.parameters())
    y = net[:5](x).detach()
    out = net[5](y)
    expected = deltas(torch.autograd.grad(out.square().mean(), out)[0], net[5].weight)
    assert found["5"]["gradient", "mapped"] == pytest.approx(delta_agreement(expected["gradient"], expected["mapped"]))
    assert set(found["0"]) == {("gradient", "sign"), ("gradient", "mapped"), ("sign", "mapped")}


def test_deltas_are_those_behind_a_layer_that_is_written_into_and_frozen_layers_have_none():
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)), torch.randn(16, 8)
    net[0].requires_grad_(False)
    plain = delta_agreements(net, x, lambda y: y.square().mean())
    assert list(plain) == ["2", "4"]
    net[3].inplace = True
    assert delta_agreements(net, x, lambda y: y.square().mean()) == plain
