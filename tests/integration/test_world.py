"""World models: experience as samples, transitions in the latent, and plans by them."""

from __future__ import annotations

from math import pi

import pytest
import torch
from helpers.line_environment import line_environment
from helpers.on_data import graph_on

import ssl_pipeline
from ssl_pipeline.config.build import build_part
from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import gym, pendulum
from ssl_pipeline.data.rl.pendulum import Pendulum
from ssl_pipeline.evaluation.cross_modal import relations
from ssl_pipeline.evaluation.cross_modal_retrieval import cross_modal_retrieval
from ssl_pipeline.evaluation.planning import Planner, cem
from ssl_pipeline.evaluation.rollouts import rollout_scores, rollouts, window_starts
from ssl_pipeline.models.layers import ActionTrunk
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.training import run

SMALL = ["encoder.width=16", "encoder.depth=1", "encoder.heads=2", "decoder.width=16", "decoder.heads=2"]
SMALL += ["objective.transition.model.depth=1", "objective.transition.model.heads=2"]
SYMBOLS = ["objective=cross_entropy+transition", "edge=null"]
FEW = ["data.episodes=12", "data.length=20", "data.steps=3"]


def made(*overrides):
    config = compose(["experiment=world_model", *SMALL, *FEW, *overrides])
    data = build_part("data", config["data"])
    return graph_on(config, data), data


@pytest.mark.parametrize(
    "overrides",
    [
        ["objective=reconstruct", "objective.reconstruct.to=next"],
        ["objective=reconstruct+byol", "objective.byol.views=[echo]", "objective.byol.targets=[next]"],
        ["objective=reconstruct+info_nce", "objective.info_nce.views=[echo, next]"],
        ["objective=reconstruct", "edge={from: [echo, action], to: reward}"],
    ],
)
def test_of_a_column_of_several_steps_the_first_counts_elsewhere(overrides):
    config = compose(
        ["data=pendulum", "encoder=vit", "decoder=cross_attention", "corruption=echo", *SMALL[:5], *FEW, *overrides]
    )
    data = build_part("data", config["data"])
    graph, batch = graph_on(config, data).eval(), data.train[torch.arange(8)]
    first = batch._replace(columns={name: column.of(lambda x: x[:, :1]) for name, column in batch.columns.items()})
    assert batch.columns["next"].x.shape[1] == 3
    torch.testing.assert_close(graph(graph.corrupt(batch)), graph(graph.corrupt(first)))
    assert len(cross_modal_retrieval(graph, data.test, samples=32)) == 2 * ("info_nce" in overrides[0])


def test_a_transition_is_trained_over_all_its_steps():
    graph, data = made()
    losses = graph(graph.corrupt(data.train[torch.arange(8)]))
    assert {"transition/echo", "transition/echo>next", "inverse"} <= set(losses)
    losses["loss"].backward()
    assert all(p.grad is not None for p in graph.parameters() if p.requires_grad)
    assert [*graph.decoders] == ["clean", "action"]  # what comes next is decoded as what is seen


def test_an_untrained_transition_stands_still():
    graph, data = made()
    graph.eval()
    found = rollouts(graph, data.test, horizon=6)
    torch.testing.assert_close(found.shuffled, found.error)
    for parameter in graph.objective.terms["transition"].parameters():
        torch.nn.init.normal_(parameter)
    found = rollouts(graph, data.test, horizon=6)
    assert not torch.allclose(found.shuffled, found.error)
    torch.testing.assert_close(rollouts(graph, data.test, horizon=6, batch_size=12), found)
    assert rollout_scores(graph, data.test).keys() >= {"rollout/1", "rollout_copied/5", "rollout_shuffled/10"}


def test_rollouts_need_episodes_that_are_long_enough():
    graph, data = made()
    assert rollouts(graph, data.test, horizon=30) is None
    assert window_starts(torch.tensor([1, 1, 2, 2, 2]), 3).tolist() == [2]


def test_actions_may_be_choices():
    grid = GridSpec.of(("component", 2), vocab=3)
    model = ActionTrunk(depth=1, heads=2).bind(8, grid)
    torch.nn.init.normal_(model.change.weight)
    z = torch.randn(1, 4, 8).expand(2, -1, -1)
    one, other = model(z, torch.tensor([[0, 1], [1, 0]]))
    assert not torch.allclose(one, other)


def test_data_without_actions_are_refused():
    with pytest.raises(ValueError, match="needs the columns action and next"):
        graph_on(config := compose(["objective=reconstruct+transition"]), build_part("data", config["data"]))


def test_tokens_are_predicted_of_views():
    config = compose(
        ["data=pendulum", *FEW, "corruption=echo", "encoder=vit", "objective=reconstruct+ibot", "encoder.masked=token"]
    )
    config["objective"]["ibot"]["views"] = ["echo", "next"]
    with pytest.raises(ValueError, match=r"objective.ibot predicts the tokens of views, and next is none"):
        graph_on(config, build_part("data", config["data"]))


def test_a_latent_that_is_only_predicted_collapses():
    with pytest.raises(ValueError, match="only attract each other"):
        made("objective=transition", "objective.transition.seen=false", "edge=null")


def test_views_that_only_some_samples_pass():
    graph, data = made("corruption=echo+noise", "views_per_step=1")
    losses = graph(graph.corrupt(data.train[torch.arange(8)]))
    assert {"transition/echo", "transition/noise"} <= set(losses)
    losses["loss"].backward()


def test_plans_are_found_for_each_situation_by_itself():
    goals = torch.tensor([0.5, -0.8]).view(2, 1, 1, 1)
    found = cem(
        lambda tried: (tried - goals).square().sum((2, 3)),
        torch.zeros(2, 3, 1), torch.tensor([-1.0]), torch.tensor([1.0]), torch.Generator().manual_seed(0), rounds=6,
    )  # fmt: skip
    assert (found - goals.view(2, 1, 1)).abs().max() < 0.15


def test_a_planner_gives_actions_within_their_bounds():
    graph, _ = made()
    goal = Pendulum(torch.zeros(1), torch.zeros(1)).observed("state")
    planner = Planner(graph.eval(), goal, horizon=4, samples=16, elites=4, rounds=2)
    for count in (3, 3):
        action = planner.act(Pendulum(torch.full((count,), pi), torch.zeros(count)).observed("state"))
        assert action.shape == (3, 1, 1) and action.abs().max() <= 2
    with pytest.raises(ValueError, match="seen or latent"):
        Planner(graph, goal, by="dream")


@pytest.fixture
def line():
    with line_environment():
        yield


def test_symbols_are_followed_as_well(line, tmp_path):
    data = gym("Line-v0", episodes=10, length=20, steps=2, cache={"folder": tmp_path})
    config = compose(["experiment=world_model", *SMALL, *SYMBOLS])
    graph = graph_on(config, data).eval()
    found = rollouts(graph, data.test, horizon=4)
    first = data.test[window_starts(data.test.sources, 4)]
    assert found.copied[0] == (first.x != first.columns["next"].x[:, 0]).float().mean()
    assert found.error.min() >= 0 and found.error.max() <= 1


def test_what_is_not_decoded_is_not_followed():
    graph, data = made(
        "objective=transition+vicreg", "objective.transition.seen=false", "edge=null", "corruption=noise+noise"
    )
    assert rollout_scores(graph, data.test) == {}


def test_a_run_on_choices(tmp_path):
    pytest.importorskip("gymnasium")
    overrides = ["data=gym", "data.episodes=8", "data.length=20", f"data.cache.folder={tmp_path / 'cache'}", *SMALL]
    summary = run(
        compose(["experiment=world_model", *overrides, "trainer.max_steps=2", "batch_size=8"]), str(tmp_path / "run")
    )
    assert summary["rollout/1"] > 0
    assert ssl_pipeline.load(tmp_path / "run").embed(torch.zeros(2, 1, 4)).shape == (2, 16)


@pytest.mark.slow
def test_a_world_model_is_followed_and_acted_by(tmp_path):
    """It beats copying, needs the right actions, and swings a pendulum up that random pushes leave hanging."""
    small = ["trainer.max_steps=1200", "probe=none", "encoder.width=48", "objective.transition.model.depth=1"]
    run(compose(["experiment=world_model", *small]), str(tmp_path))
    model = ssl_pipeline.load(tmp_path)
    test = pendulum().test
    found = rollouts(model.graph, test, horizon=10)
    assert (found.error * 10 < found.copied).all() and (found.error[4:] * 1.5 < found.shuffled[4:]).all()
    between = relations(model.graph, test)
    assert between["edge/inverse"] < 0.5 < between["edge_without/inverse<next"]
    goal = Pendulum(torch.zeros(1), torch.zeros(1)).observed("state")
    planner = Planner(model.graph, goal, samples=64, elites=8, rounds=3)
    body = Pendulum(torch.full((4,), pi) + torch.tensor([-0.2, -0.1, 0.1, 0.2]), torch.zeros(4))
    upright = []
    for _ in range(80):
        body = body.moved(planner.act(body.observed("state")).flatten())
        upright.append(body.upright.abs() < pi / 6)
    assert torch.stack(upright[-30:]).float().mean() > 0.6


def test_a_world_of_pixels():
    slots = ["latent=slots", "latent.slots=2", "latent.heads=2"]
    graph, data = made("data.observation=pixels", "encoder.patch=6", "decoder.patch=null", *slots)
    graph(graph.corrupt(data.train[torch.arange(8)]))["loss"].backward()
    found = rollouts(graph.eval(), data.test, horizon=4)
    assert found.error.shape == (4,) and found.copied[0] > 0
    goal = Pendulum(torch.zeros(1), torch.zeros(1)).observed("pixels")
    planner = Planner(graph, goal, horizon=3, samples=8, elites=2, rounds=2)
    assert planner.act(goal).shape == (1, 1, 1)
