"""Runs whose weights lie in shards: refused, gone on with anywhere, probed and shown."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from helpers.graphs import RELAXED, make
from helpers.runs import command
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh

import ssl_pipeline
from ssl_pipeline.config.compose import compose
from ssl_pipeline.training.fsdp import set_weights, shard
from ssl_pipeline.training.plan import plan_run

SHARDS = ["hardware=fsdp", "hardware.accelerator=cpu", "hardware.devices=2"]


def test_batch_statistics_are_not_shared_in_shards():
    with pytest.raises(ValueError, match=r"sync_batchnorm=true has no effect on weights in shards: take hardware=ddp"):
        plan_run(compose([*SHARDS, "+trainer.sync_batchnorm=true"]))


def test_a_ball_that_descends_is_not_sharded():
    graph = make("corruption=noise+noise", *RELAXED, "objective=reconstruct+sigreg")
    with pytest.raises(ValueError, match=r"latent.fuse=relaxed .* take hardware=ddp, or latent.fuse=mean"):
        shard(graph, Mock(spec=DeviceMesh))


def test_a_term_that_looks_through_still_weights_is_not_sharded():
    graph = make("corruption=noise+noise", "objective=reconstruct+perceptual")
    with pytest.raises(ValueError, match=r"objective.perceptual looks through weights .* take hardware=ddp"):
        shard(graph, Mock(spec=DeviceMesh))


SAME = ["experiment=byol", "encoder=vit", "encoder.width=48", "encoder.depth=2", "encoder.heads=2"]
SAME += ["objective.byol.projector.hidden=32", "objective.byol.predictor.hidden=32", "teacher.final=0.9"]
SAME += ["optimizer.warmup=0", "optimizer.final=1", "optimizer.lr=1e-3", "hardware.precision=32-true", "batch_size=64"]
SAME += ["trainer.max_epochs=-1", "probe=none", "report.page=false"]


def state_of(folder: Path) -> dict[str, Tensor]:
    """Weights and what the optimiser remembers, by name and number."""
    found = torch.load(folder / "checkpoints/last.ckpt", weights_only=True)
    moments = found["optimizer_states"][0]["state"]
    return found["state_dict"] | {f"{i}/{k}": v for i, some in moments.items() for k, v in some.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("optimizer", "atol"),
    [
        (["adamw", "+optimizer.make.eps=1e-2"], 2e-4),
        (["lars"], 2e-4),
        (
            ["muon", "+optimizer.make.eps=1e-2", "optimizer.lr=3e-4"],
            1e-3,
        ),  # its matrices are made orthogonal in bfloat16
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_run_in_shards_goes_on_anywhere(optimizer, atol, tmp_path):
    """AdamW, which Muon takes for vectors, with an eps that hides gradients which are nothing but rounding."""

    def train(to: str, steps: int, *words: str) -> dict[str, Tensor]:
        done = command(*words, f"trainer.max_steps={steps}")
        assert done.returncode == 0, done.stderr
        return state_of(tmp_path / to)

    new = [*SAME, f"optimizer={optimizer[0]}", *optimizer[1:]]
    whole = train("whole", 6, *new, "hardware=ddp_cpu", f"hydra.run.dir={tmp_path}/whole")
    train("shards", 3, *new, *SHARDS, f"hydra.run.dir={tmp_path}/shards")
    shutil.copytree(tmp_path / "shards", tmp_path / "moved")
    for name, hardware in (("shards", SHARDS), ("moved", ["hardware=ddp_cpu"])):
        after = train(name, 6, f"resume={tmp_path / name}", *hardware, "hardware.precision=32-true")
        assert after.keys() == whole.keys()
        for key, value in whole.items():
            torch.testing.assert_close(after[key], value, rtol=1e-3, atol=atol, msg=lambda m, k=key: f"{k}: {m}")
    done = command(f"resume={tmp_path}/moved", "hardware=cpu", "trainer.max_steps=7")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("change", [lambda w: w.pop("bias"), lambda w: w.update(more=torch.zeros(2))])
def test_weights_of_another_graph_are_no_checkpoint(change):
    weights = nn.Linear(2, 2).state_dict()
    change(weights)
    with pytest.raises(ValueError, match=r"such as (bias|more): resume its own run"):
        set_weights(nn.Linear(2, 2), weights)


@pytest.mark.slow
def test_a_trunk_that_columns_share_goes_on_in_shards(tmp_path):
    words = ["experiment=captions", "probe=none", "report.page=false", "trainer.max_epochs=-1", "optimizer.warmup=0"]
    words += ["optimizer.final=1", "+optimizer.make.eps=1e-2", "hardware.precision=32-true", "encoder.depth=1"]
    for folder, hardware, steps in (("whole", ["hardware=ddp_cpu"], [6]), ("shards", SHARDS, [3, 6])):
        for step in steps:
            to = f"hydra.run.dir={tmp_path}/{folder}"
            done = command(*words, *hardware, f"trainer.max_steps={step}", "resume=auto", to)
            assert done.returncode == 0, done.stderr
    whole, shards = state_of(tmp_path / "whole"), state_of(tmp_path / "shards")
    assert whole.keys() == shards.keys()
    for key, value in whole.items():
        torch.testing.assert_close(shards[key], value, rtol=1e-3, atol=2e-4, msg=lambda m, k=key: f"{k}: {m}")


@pytest.mark.slow
def test_a_run_in_shards_is_probed_and_shown(tmp_path):
    """On the way and at the end, as every other is."""
    words = [
        "trainer.max_steps=6",
        "trainer.max_epochs=-1",
        "probe.online=1",
        "diagnostics.every=2",
        "checkpoint.every_n_steps=2",
    ]
    done = command(*SHARDS, *words, f"hydra.run.dir={tmp_path}/run")
    assert done.returncode == 0, done.stderr
    assert "online probe" in done.stdout and "FSDP" not in done.stderr
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["knn"] > 50 and not summary["interrupted"] and (tmp_path / "run/report.html").is_file()
    assert ssl_pipeline.load(tmp_path / "run").embed(torch.rand(2, 1, 8, 8)).isfinite().all()
