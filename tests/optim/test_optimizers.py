"""Optimisers: what their groups hold, what their steps are, and that every one of ``conf/optimizer`` trains."""

from __future__ import annotations

import io
from copy import deepcopy
from typing import Any
from unittest.mock import Mock

import lightning as L
import pytest
import torch
from helpers.cases import GRIDS, sample
from helpers.graph_kinds import GRAPHS, composed, graph_of
from helpers.paths import CONF
from torch import nn

from ssl_pipeline.data import Data, MemoryDataset
from ssl_pipeline.optim.recipe import Recipe
from ssl_pipeline.optim.rules import make_recipe
from ssl_pipeline.structures.batch import Batch
from ssl_pipeline.training import console as report
from ssl_pipeline.training.callbacks import Metrics
from ssl_pipeline.training.callbacks.clock import Clock
from ssl_pipeline.training.hardware import Hardware
from ssl_pipeline.training.module import PretrainModule

NAMES = sorted(path.stem for path in (CONF / "optimizer").glob("*.yaml"))


def recipe(name: str, *overrides: str) -> Recipe:
    return make_recipe(composed(f"optimizer={name}", *overrides)["optimizer"])


class Mixture(nn.Module):
    """One parameter of each kind."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(24, 16)
        self.conv = nn.Conv2d(8, 16, 3)
        self.table = nn.Embedding(12, 16)
        self.token = nn.Parameter(torch.randn(6, 16))
        for parameter in self.parameters():
            parameter.grad = torch.randn_like(parameter)


def moved(model: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """What a step adds to each parameter."""
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimiser.step()
    return {name: p.detach() - before[name] for name, p in model.named_parameters()}


# Every file of conf/optimizer


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


# Their steps, against the formulas of the papers


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


# In a training


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_clipped_before_the_step(name):
    graph = graph_of("conv")
    graph.frozen = deepcopy(graph.encoder).requires_grad_(False)
    module = PretrainModule(graph, recipe(name, "optimizer.layer_decay=0.75"), Clock(), 256, 0)
    optimiser = module.configure_optimizers()
    trainer = Mock(spec=L.Trainer, precision="32-true", max_steps=10, max_epochs=None, global_step=5)
    module._trainer, trainer.optimizers = trainer, [optimiser]
    batch = Batch(sample(GRIDS["image"], 8).x, torch.arange(8))
    module.on_train_batch_start(batch, 0)
    peak = module.recipe.rate(0.5) * module.recipe.peak(256)
    rates = sorted({group["lr"] for group in optimiser.param_groups}, reverse=True)
    assert rates == pytest.approx([peak * 0.75**i for i in range(6)])
    (100 * graph(graph.corrupt(batch))["loss"]).backward()
    module.configure_gradient_clipping(optimiser, 1e-2, "norm")
    norm = sum(float(p.grad.square().sum()) for p in graph.parameters() if p.grad is not None) ** 0.5
    assert norm == pytest.approx(1e-2, rel=1e-3)
    before = deepcopy(graph.frozen.state_dict())
    steps = moved(graph, optimiser)
    assert steps["encoder.stem.weight"].any() and steps["encoder.stem.weight"].isfinite().all()
    assert all(torch.equal(value, before[key]) for key, value in graph.frozen.state_dict().items())


class Headed(nn.Module):
    """Vectors in the encoder alone, so that the optimiser's first group is that of a low layer."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.head = graph_of("conv").encoder, nn.Linear(2, 2, bias=False)


@pytest.mark.parametrize(
    ("bounds", "step", "share"),
    [
        ({"max_steps": 100, "max_epochs": None}, 0, 0.1),  # a warm-up of ten steps
        ({"max_steps": 100, "max_epochs": None}, 9, 1.0),
        ({"max_steps": -1, "max_epochs": 4, "num_training_batches": 10}, 0, 0.25),
        ({"max_steps": 8, "max_epochs": None}, 0, 1.0),
    ],
)
def test_the_first_step_has_a_rate(bounds, step, share):
    module = PretrainModule(graph_of("conv"), recipe("adamw", "optimizer.warmup=0.1"), Clock(), 256, 0)
    module._trainer = Mock(
        spec=L.Trainer,
        global_step=step,
        accumulate_grad_batches=1,
        optimizers=[module.configure_optimizers()],
        **bounds,
    )
    module.on_train_batch_start(Batch(sample(GRIDS["image"], 8).x, torch.arange(8)), 0)
    assert module.trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(1e-3 * share)


def test_the_rate_that_is_logged_is_the_highest():
    clock, logger = Clock(), Mock()
    optimiser = recipe("adamw", "optimizer.layer_decay=0.5").optimizer(Headed(), 256)
    assert optimiser.param_groups[0]["lr"] < 1e-3
    trainer = Mock(spec=L.Trainer, optimizers=[optimiser], loggers=[logger], global_step=5, should_stop=False)
    trainer.max_steps, trainer.max_epochs, trainer.strategy.root_device = 10, None, torch.device("cpu")
    trainer.accumulate_grad_batches = 1
    Metrics(clock, every=5, batch_size=8, lines=False).on_train_batch_end(
        trainer, L.LightningModule(), {"loss": torch.tensor(1.0)}, None, 0
    )
    values, step = logger.log_metrics.call_args.args
    assert values["lr"] == pytest.approx(1e-3) and step == 5


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (["adamw"], "AdamW, rate 0.001 (lr 0.001 for batch 256, rule none)"),
        (["lars"], "Lars, rate 0.6 (lr 0.3 for batch 256, rule linear)"),
        (
            ["muon", "optimizer.layer_decay=0.75"],
            "Muon, rate 0.00141 (lr 0.001 for batch 256, rule sqrt), x 0.75 a layer down the encoder",
        ),
    ],
)
def test_a_run_says_its_optimiser(overrides, line, capsys):
    data = Data(GRIDS["image"], MemoryDataset(torch.zeros(2, 3, 8, 12, dtype=torch.uint8)), None, None, "none")
    report.start({"digits": data}, {"digits": graph_of("conv")}, recipe(*overrides), Hardware(), 512, 1, 1, "none")
    assert f"optimiser  {line}" in capsys.readouterr().out.splitlines()


# What may be written


def test_a_recipe_makes_optimisers_and_nothing_else():
    assert make_recipe({"make": "adan"}).name == "Adan"
    for name, nearest in (("adann", "nearest: adan"), ("create_optimizer_v2", "there are: "), ("mse", "there are: ")):
        with pytest.raises(ValueError, match=f"optimizer.make: there is no optimizer '{name}'; {nearest}"):
            make_recipe({"make": name})
    with pytest.raises(ValueError, match=r"timm\.optim\.AdamP is neither a registered optimizer nor"):
        make_recipe({"make": {"_target_": "timm.optim.AdamP"}})
    assert make_recipe({"make": {"_target_": "timm.optim.AdamP"}}, trust=("timm.optim",)).name == "AdamP"


# Steps by signs (M29)


@pytest.mark.parametrize("name", ["lion", "signsgd"])
def test_signs_are_all_that_counts(name):
    """The first step is the same for gradients of any size, and as long for every number."""
    steps = {}
    for size in (1e-6, 1.0):
        model = Mixture()
        for parameter in model.parameters():
            assert parameter.grad is not None
            parameter.grad.mul_(size)
        steps[size] = moved(model, recipe(name, "optimizer.weight_decay=0").optimizer(model, 256))
    for key, step in steps[1.0].items():
        torch.testing.assert_close(step, steps[1e-6][key])
        torch.testing.assert_close(step.abs(), torch.full_like(step, 2e-4), rtol=1e-2, atol=1e-7)


def regression(make: Any, seed: int) -> float:
    """What Linear and GELU miss of another net's outputs, after 1000 steps of falling rate."""
    torch.manual_seed(seed)
    x, other = torch.randn(1024, 16), nn.Sequential(nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 4))
    y = other(x).detach()
    y = (y - y.mean(0)) / y.std(0)
    net = nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 4))
    optimiser, generator = make(net.parameters()), torch.Generator().manual_seed(seed)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, 1000)
    for _ in range(1000):
        rows = torch.randint(1024, (128,), generator=generator)
        optimiser.zero_grad()
        nn.functional.mse_loss(net(x[rows]), y[rows]).backward()
        optimiser.step()
        schedule.step()
    return float(nn.functional.mse_loss(net(x), y).detach())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_signs_alone_learn_within_twice_adams_loss(seed):
    """Measured: Adam 0.007, 0.010, 0.008; signSGD 1.6 times, Lion 0.6 times as much."""
    adam = regression(lambda p: torch.optim.Adam(p, 3e-3), seed)
    for name in ("signsgd", "lion"):
        make = recipe(name).make
        assert regression(lambda p, make=make: make(p, lr=1e-3), seed) < 2 * adam
