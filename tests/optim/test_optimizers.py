"""Every optimiser of ``conf/optimizer`` trains, goes on and obeys its rate; nothing else is made."""

from __future__ import annotations

import io
from copy import deepcopy

import pytest
import torch
from helpers.cases import GRIDS, sample
from helpers.graph_kinds import GRAPHS, graph_of
from helpers.optimizers import NAMES, Mixture, moved, recipe
from torch import nn

from ssl_pipeline.optim.rules import make_recipe
from ssl_pipeline.structures.batch import Batch


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["conv", "text"])
def test_every_optimiser_brings_a_loss_down(name, kind):
    graph, data = graph_of(kind), sample(GRIDS[GRAPHS[kind][1]], 8).x
    optimiser = recipe(name).optimizer(graph, 256)
    losses = []
    for _ in range(30):
        torch.manual_seed(0)
        loss = graph(graph.corrupt(Batch(x=data, source=torch.arange(8))))["loss"]
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(graph.parameters(), 1.0)
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.95 * losses[0]


@pytest.mark.parametrize("name", NAMES)
def test_the_rate_of_a_group_takes_effect(name):
    steps = {}
    for share in (0.0, 0.5, 1.0):
        model = Mixture()
        optimiser = recipe(name).optimizer(model, 256)
        for group in optimiser.param_groups:
            group["lr"] *= share
        steps[share] = moved(model, optimiser)
    for key, whole in steps[1.0].items():
        assert whole.abs().max() > 0 and not steps[0.0][key].any(), key
        torch.testing.assert_close(steps[0.5][key], whole / 2, rtol=1e-3, atol=5e-7)


@pytest.mark.parametrize("name", NAMES)
def test_a_loaded_state_goes_on_with_the_same_steps(name):
    model = Mixture()
    optimiser = recipe(name).optimizer(model, 256)
    for _ in range(3):
        optimiser.step()
    file = io.BytesIO()
    torch.save([model.state_dict(), optimiser.state_dict()], file)
    file.seek(0)
    weights, state = torch.load(file, weights_only=True)
    twin = Mixture()
    twin.load_state_dict(weights)
    resumed, fresh = recipe(name).optimizer(twin, 256), recipe(name).optimizer(deepcopy(twin), 256)
    resumed.load_state_dict(state)
    for _ in range(2):
        steps, expected = moved(twin, resumed), moved(model, optimiser)
        for key, value in expected.items():
            assert torch.equal(steps[key], value), key
    assert fresh.state_dict()["state"] != resumed.state_dict()["state"]


@pytest.mark.parametrize(
    ("name", "rate"),
    [("adamw", 1e-3), ("sgd", 0.2), ("lars", 1.2), ("lamb", 4e-3), ("lion", 4e-4), ("muon", 2e-3)],
)
def test_the_rate_of_four_times_the_batch(name, rate):
    assert recipe(name).peak(1024) == pytest.approx(rate)
    groups = recipe(name, "optimizer.warmup=0").optimizer(Mixture(), 1024).param_groups
    assert [group["lr"] for group in groups] == [pytest.approx(rate)] * len(groups)


def test_the_tests_know_every_optimiser():
    assert set(NAMES) == {"adamw", "sgd", "lars", "lamb", "lion", "muon", "signsgd"}


def test_a_recipe_makes_optimisers_and_nothing_else():
    assert make_recipe({"make": "adan"}).name == "Adan"
    for name, nearest in (("adann", "nearest: adan"), ("create_optimizer_v2", "there are: "), ("mse", "there are: ")):
        with pytest.raises(ValueError, match=f"optimizer.make: there is no optimizer '{name}'; {nearest}"):
            make_recipe({"make": name})
    with pytest.raises(ValueError, match=r"timm\.optim\.AdamP is neither a registered optimizer nor"):
        make_recipe({"make": {"_target_": "timm.optim.AdamP"}})
    assert make_recipe({"make": {"_target_": "timm.optim.AdamP"}}, trust=("timm.optim",)).name == "AdamP"
