"""Optimisers in a training: clipped gradients, rates, and what is said of them."""

from __future__ import annotations

from copy import deepcopy
from unittest.mock import Mock

import lightning as L
import pytest
import torch
from helpers.cases import GRIDS, sample
from helpers.graph_kinds import graph_of
from helpers.optimizers import NAMES, moved, recipe
from torch import nn

from ssl_pipeline.data import Data, MemoryDataset
from ssl_pipeline.structures.batch import Batch
from ssl_pipeline.training import console as report
from ssl_pipeline.training.callbacks import Metrics
from ssl_pipeline.training.callbacks.clock import Clock
from ssl_pipeline.training.hardware import Hardware
from ssl_pipeline.training.module import PretrainModule


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
