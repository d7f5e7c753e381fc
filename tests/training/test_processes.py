"""Commands that train in several processes, or several times."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from helpers.on_data import graph_on
from helpers.paths import ROOT
from helpers.processes import in_two_processes
from helpers.runs import CORES, SMALL, command, configured

from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import digits
from ssl_pipeline.inference.weights import read_weights
from ssl_pipeline.training import run
from ssl_pipeline.training.hardware import Hardware
from ssl_pipeline.training.module import PretrainModule


@pytest.mark.slow
def test_two_processes_train_as_one_command(tmp_path):
    done = command(
        "hardware=ddp_cpu",
        "trainer.max_steps=12",
        *SMALL,
        "probe.online=1",
        "views_per_step=1",
        f"hydra.run.dir={tmp_path}/run",
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["steps"] == 12 and "knn" in summary
    assert "128 = 2 device(s) x 64" in done.stdout


def _train_as_rank(rank, queue, config, folder):
    """What ``torchrun`` would start; both ranks leave their state behind."""
    os.environ.update(LOCAL_RANK=str(rank), WORLD_SIZE="2", NODE_RANK="0")
    PretrainModule.on_train_end = lambda self: torch.save(self.graph.state_dict(), f"{folder}/rank_{rank}.pt")
    run(config, folder)
    queue.put((rank, torch.distributed.get_world_size()))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("experiment", "kept"),
    [("moco", ("loss.queue.rows", "loss.queue.place")), ("dino", ("loss.balance.centre",))],
)
def test_what_two_processes_remember_is_alike_and_goes_on_in_one(experiment, kept, tmp_path):
    options = ["probe=none", "hardware.precision=32-true", "optimizer.warmup=0"]
    config = configured(f"experiment={experiment}", "hardware=ddp_cpu", "trainer.max_steps=4", *options)
    assert in_two_processes(_train_as_rank, config, str(tmp_path)) == [(0, 2), (1, 2)]
    first, second = (torch.load(tmp_path / f"rank_{rank}.pt", weights_only=True) for rank in range(2))
    parameters = dict(graph_on(config, digits()).named_parameters())
    remembered = [f"objective.terms.{experiment}.{name}" for name in kept]
    assert any(name.startswith("teacher.") for name in parameters)
    for name in (*parameters, *remembered):
        assert torch.equal(first[name], second[name]), name
    saved = read_weights(tmp_path)
    assert all(torch.equal(value, first[name]) for name, value in saved.items())
    summary = run(compose([f"resume={tmp_path}", "hardware=cpu", "trainer.max_steps=6"]), "elsewhere")
    assert summary["steps"] == 6 and np.isfinite(summary["loss"])
    after = read_weights(tmp_path)
    assert not any(torch.equal(after[name], saved[name]) for name in remembered)
    if experiment == "moco":  # 128 samples in two views a step, from place 4 x 256 on; the rest of the queue stays
        rows = remembered[0]
        assert after[remembered[1]] == 6 * 256
        assert torch.equal(after[rows][: 4 * 256], saved[rows][: 4 * 256])


@pytest.mark.slow
def test_a_sweep_trains_each(tmp_path):
    done = command(
        "--multirun",
        "corruption=mask,mask+noise",
        "trainer.max_steps=2",
        *SMALL,
        "probe=none",
        f"hydra.sweep.dir={tmp_path}",
    )
    assert done.returncode == 0, done.stderr
    assert {p.parent.name for p in tmp_path.glob("*/summary.json")} == {"0", "1"}


@pytest.mark.slow
def test_torchrun_trains_in_one_folder(tmp_path):
    """Its processes start at once and would each name a folder by the time; here one is two seconds late."""
    late = "import os, time\nif os.environ.get('RANK') == '1':\n    time.sleep(2)\n"
    (tmp_path / "sitecustomize.py").write_text(late)
    words = [*SMALL, "hardware=ddp_cpu", "trainer.max_steps=4", "trainer.max_epochs=-1", "probe=none"]
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", str(ROOT / "train.py"), *words],
        cwd=tmp_path,
        env={**os.environ, **CORES, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "outputs/train").iterdir()
    assert json.loads((folder / "summary.json").read_text())["steps"] == 4
    assert "2 device(s)" in done.stdout and "Grad strides" not in done.stderr


LEAVES_LATE = """
import atexit, os, sys, time
import torch, torch.distributed as dist
from ssl_pipeline.cli import main as cli

file = sys.argv[1]

def run(config, folder):
    global kept
    dist.init_process_group("gloo", init_method="file://" + file, rank=int(os.environ["RANK"]), world_size=2)
    kept = dist.group.WORLD
    dist.barrier()
    if kept.rank():
        dist.all_reduce(torch.ones(1), async_op=True)
    else:
        time.sleep(1)
        dist.all_reduce(torch.ones(1))

def busy():
    sys.setswitchinterval(100)
    end = time.monotonic() + 2
    while time.monotonic() < end:
        pass

atexit.register(busy)
sys.exit(cli.train(["hydra.run.dir=" + file + os.environ["RANK"]], run=run))
"""


@pytest.mark.slow
def test_a_thread_of_the_group_may_let_go_at_the_very_end(tmp_path):
    """Of a tensor, waiting for the interpreter lock that the process keeps until it is gone."""
    here, file = {**os.environ, **CORES, "SSL_PIPELINE_RUN_DIR": str(tmp_path / "run")}, str(tmp_path / "store")
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", LEAVES_LATE, file], env={**here, "RANK": str(rank)}, stderr=subprocess.PIPE
        )
        for rank in range(2)
    ]
    said = [rank.communicate(timeout=120)[1] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], said


def test_torchrun_goes_before_slurm(monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "1")
    monkeypatch.setenv("SLURM_JOB_NAME", "try")
    assert [plugin.auto_requeue for plugin in Hardware(accelerator="cpu").options()["plugins"]] == [False]
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    assert Hardware(accelerator="cpu").options()["plugins"] == []
