"""Runs whose graph is treated: planned, loaded, exported and gone on with."""

from __future__ import annotations

import pytest
import torch
import yaml
from helpers.exports import ssl
from helpers.graph_kinds import QUERY, VIT
from helpers.lab_callbacks import untouched
from helpers.runs import SMALL
from torch import nn

import ssl_pipeline
from ssl_pipeline.config.compose import compose
from ssl_pipeline.config.resume import again
from ssl_pipeline.lab.callbacks import ProtectWeights
from ssl_pipeline.training import run
from ssl_pipeline.training.plan import plan_run


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["callback=gradient_protection", "hardware.precision=16-mixed"], r"loss scaler .* take bf16-mixed or 32-true"),
        (["callback=weight_protection", "hardware=fsdp"], r"needs whole weights, .* take ddp"),
        (["callback=inverse_delta", "hardware.compile=true"], r"cannot be compiled: set hardware.compile=false"),
        (["callback=inverse_delta", "callback.inverse_delta.damping=-1"], r"damping=-1"),
    ],
)
def test_what_cannot_work_is_refused_before_data_is_read(words, said):
    with pytest.raises(ValueError, match=said):
        plan_run(compose(words))


def test_by_default_there_is_nothing():
    assert plan_run(compose([])).callbacks == ()


def test_protected_gradients_of_weights_bear_a_loss_scale():
    words = ["callback=gradient_protection", "callback.gradient_protection.scale=null"]
    words += ["callback.gradient_protection.weights=1", "hardware.precision=16-mixed"]
    assert len(plan_run(compose(words)).callbacks) == 1


ALL = "callback=gradient_protection+inverse_delta+weight_protection"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Of a run with all of them, which has been resumed."""
    path = tmp_path_factory.mktemp("callbacks") / "run"
    words = [*VIT, *QUERY, "batch_size=64", "probe=none", "report.page=false"]
    run(compose([*words, ALL, "callback.weight_protection.every=1", "trainer.max_steps=3"]), str(path))
    run(compose([f"resume={path}", "trainer.max_steps=5"]), str(path))
    return path


@pytest.mark.slow
def test_a_run_is_treated_loaded_and_exported(folder, tmp_path):
    model = ssl_pipeline.load(folder)
    assert untouched(model.graph)
    linear = [m.weight.detach() for m in model.graph.encoder.modules() if isinstance(m, nn.Linear)]
    assert min(float(torch.linalg.svdvals(w)[-1]) for w in linear) > 0.09
    ssl("export", f"run={folder}", "part=encoder", "format=torch_export", f"out={tmp_path}/out")


def test_steps_are_counted_from_one(tmp_path, monkeypatch):
    counted = []
    monkeypatch.setattr(ProtectWeights, "after_step", lambda self, graphs, step: counted.append(step))
    words = [*SMALL, "probe=none", "report.page=false", "callback=weight_protection", "trainer.max_steps=3"]
    run(compose(words), str(tmp_path))
    assert counted == [1, 2, 3]


def test_a_run_from_before_the_group_goes_on(tmp_path):
    words = [*SMALL, "probe=none", "report.page=false"]
    run(compose([*words, "trainer.max_steps=2"]), str(tmp_path))
    saved = yaml.safe_load((tmp_path / "config.yaml").read_text())
    del saved["callback"]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(saved))
    asked = compose([*words, "trainer.max_steps=3"]) | {"resume": str(tmp_path)}
    assert run(again(asked), "elsewhere")["steps"] == 3
    assert ssl_pipeline.load(tmp_path).embed(torch.rand(2, 1, 8, 8)).shape[0] == 2
    with pytest.raises(ValueError, match=r"this one has callback"):
        again(compose([*words, ALL]) | {"resume": str(tmp_path)})
