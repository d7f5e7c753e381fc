"""Bad weather: what breaks, what is said of it, and what survives."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.build import build
from helpers.paths import ROOT
from helpers.processes import in_two_processes
from helpers.runs import CORES, SMALL, command, configured

from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import Data, MemoryDataset, digits
from ssl_pipeline.inference.weights import read_weights
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.training import run
from ssl_pipeline.training.callbacks import Metrics
from ssl_pipeline.training.callbacks.finite import first_not_finite
from ssl_pipeline.training.module import PretrainModule
from ssl_pipeline.training.torch_errors import machine_error
from ssl_pipeline.utils.checkpoints import LAST, PREVIOUS, UNREADABLE, is_readable, newest, replace

TINY = [*SMALL, "probe=none", "diagnostics.every=0", "report.page=false", "optimizer.warmup=0", "optimizer.final=1"]


def step_of(file):
    return torch.load(file, weights_only=True)["global_step"]


def written(path, number):
    torch.save({"global_step": number, "state_dict": {}}, path)


# Checkpoints.


@pytest.mark.parametrize("call", range(5))
def test_a_process_killed_while_it_saves_leaves_a_checkpoint(call, tmp_path):
    """At each call to the file system that a save makes."""
    code = f"""
import os, shutil, sys
from pathlib import Path
import torch
from ssl_pipeline.utils import checkpoints
calls = 0
def dying(original):
    def call(*args):
        global calls
        if calls == {call} and armed:
            os.kill(os.getpid(), 9)
        calls += armed
        return original(*args)
    return call
armed = False
for module, name in ((os, "replace"), (os, "link"), (checkpoints, "_to_disk")):
    setattr(module, name, dying(getattr(module, name)))
path = Path(sys.argv[1]) / "last.ckpt"
for number in (1, 2, 3):
    armed = number == 3
    checkpoints.replace(path, lambda p: torch.save({{"global_step": number, "state_dict": {{}}}}, p))
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, env={**os.environ, **CORES})
    assert done.returncode == -9
    found = newest(tmp_path)
    assert (
        found is not None
        and step_of(found) in (2, 3)
        and is_readable(tmp_path / LAST)
        and is_readable(tmp_path / PREVIOUS)
    )
    before = step_of(found)
    replace(tmp_path / LAST, lambda path: written(path, 4))  # what was left half done is in nobody's way
    assert [step_of(tmp_path / name) for name in (LAST, PREVIOUS)] == [4, before]
    assert not [*tmp_path.glob(".*")]


def test_where_there_are_no_links_the_one_before_is_copied(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refused)
    for number in (1, 2, 3):
        replace(tmp_path / LAST, lambda path, number=number: written(path, number))
    assert [step_of(tmp_path / name) for name in (LAST, PREVIOUS)] == [3, 2]


@pytest.mark.parametrize("corrupt", ["cut", "turned", "gone", "empty"])
def test_of_a_damaged_checkpoint_the_one_before_is_taken(corrupt, tmp_path, capsys):
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    run(compose([*TINY, "trainer.max_steps=8"]), str(whole))
    run(compose([*TINY, "trainer.max_steps=6", "checkpoint.every_n_steps=3"]), str(parted))
    last = parted / "checkpoints" / LAST
    content = last.read_bytes()
    middle = len(content) // 2
    turned = content[:middle] + bytes(255 - byte for byte in content[middle : middle + 32]) + content[middle + 32 :]
    changed = {"cut": content[:middle], "turned": turned, "empty": b""}
    last.unlink() if corrupt == "gone" else last.write_bytes(changed[corrupt])
    run(compose([*TINY, "trainer.max_steps=8", f"resume={parted}"]), str(parted))
    assert "damaged or missing: going on from previous.ckpt, step 3" in capsys.readouterr().err
    expected, got = read_weights(whole), read_weights(parted)
    assert all(torch.equal(value, got[name]) for name, value in expected.items())
    assert (parted / "checkpoints" / UNREADABLE).is_file() is (corrupt != "gone")
    for name in (LAST, PREVIOUS):
        (parted / "checkpoints" / name).write_bytes(b"nothing")
    with pytest.raises(ValueError, match="is damaged, and there is none before it"):
        run(compose([*TINY, "trainer.max_steps=9", f"resume={parted}"]), str(parted))


def test_a_full_disk_takes_no_checkpoint(tmp_path, monkeypatch):
    import lightning as L

    original = L.Trainer.save_checkpoint

    def full(self, path, **kwargs):
        if self.global_step < 6:
            return original(self, path, **kwargs)
        Path(path).write_bytes(b"half of")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(L.Trainer, "save_checkpoint", full)
    words = [*TINY, "trainer.max_steps=9", "checkpoint.every_n_steps=3"]
    with pytest.raises(
        OSError, match=r"step 6 could not be written \(No space left on device\).*earlier step.*resume="
    ):
        run(compose(words), str(tmp_path / "run"))
    folder = tmp_path / "run/checkpoints"
    assert step_of(folder / LAST) == 3 and sorted(os.listdir(folder)) == [LAST]
    monkeypatch.undo()
    assert run(compose([*words, f"resume={tmp_path}/run"]), "")["steps"] == 9


# Numbers.


def spoiled():
    """Numbers, and one sample among them that holds none."""
    x = digits().train[range(1280)].x.float() / 16
    x[700] = float("nan")
    return Data(GridSpec.of(("y", 8), ("x", 8), channels=1), MemoryDataset(x), None, None, "spoiled")


def test_a_sample_that_is_no_number_is_named(tmp_path, monkeypatch):
    config = compose(
        [*TINY, "trainer.max_steps=30", "checkpoint.every_n_steps=1", "batch_size=64", "diagnostics.every=0"]
    )
    config["data"] = {"_target_": f"{__name__}.spoiled"}
    with pytest.raises(ValueError, match="spoiled holds samples that are not finite"):
        run(config | {"trust": [__name__]}, str(tmp_path / "refused"))
    monkeypatch.setattr("ssl_pipeline.training.graphs.statistics", lambda *_: (torch.zeros(1), torch.ones(1)))
    with pytest.raises(ValueError) as caught:
        run(config | {"trust": [__name__]}, str(tmp_path))
    said = str(caught.value)
    step = int(re.search(r"at step (\d+)", said)[1])
    assert "the loss is nan" in said and "views is the first that gives it" in said and "reconstruct/" in said
    assert step_of(tmp_path / "checkpoints" / LAST) == step - 1  # and that one is good
    assert all(torch.isfinite(value).all() for value in read_weights(tmp_path).values())


def test_the_layer_that_gives_no_number_is_named():
    data = digits()
    graph, batch = build(compose(SMALL), data.grid), data.train[range(8)]
    assert first_not_finite(graph, batch, seed=0, step=0) is None
    graph.encoder.stages[1][0].conv2.weight.data[0] = float("inf")
    assert first_not_finite(graph, batch, seed=0, step=0) == "encoder.stages.1.0.conv2"


def test_memory_and_readers():
    said = str(
        machine_error(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0"), "resume=x")
    )
    assert "did not suffice (2.00 GiB more were asked for): lower batch_size" in said
    text = "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"
    assert "lower batch_size" in str(machine_error(RuntimeError(text), "resume=x"))
    assert machine_error(RuntimeError("mat1 and mat2 shapes cannot be multiplied"), "resume=x") is None


def test_data_that_have_changed_are_refused(tmp_path, monkeypatch):
    config = compose([*TINY, "trainer.max_steps=3", "batch_size=32"])
    kept = {"count": 100}

    def some():
        return Data(digits().grid, MemoryDataset(digits().train[range(kept["count"])].x), None, None, "some")

    monkeypatch.setattr(sys.modules[__name__], "some", some, raising=False)
    some.__module__, some.__qualname__ = __name__, "some"
    config |= {"data": {"_target_": f"{__name__}.some"}, "trust": [__name__]}
    run(config, str(tmp_path))
    kept["count"] = 99
    again = config | {"resume": str(tmp_path), "trainer": config["trainer"] | {"max_steps": 5}}
    with pytest.raises(ValueError, match="some has 99 training samples, and had 100 when this run began"):
        run(again, "")
    kept["count"] = 100
    assert run(again, "")["steps"] == 5


# Processes.

LONG = ["probe=none", "report.page=false", "diagnostics.every=0", "trainer.max_epochs=-1", "trainer.max_steps=100000"]
LONG += ["encoder.widths=[8,16]", "decoder.widths=[8,8]", "batch_size=32", "trainer.enable_progress_bar=false"]


def started(folder, *words):
    """A run in a process of its own, when its first checkpoint is there."""
    arguments = [*LONG, "checkpoint.every_n_steps=5", f"hydra.run.dir={folder}", *words]
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *arguments],
        cwd=ROOT,
        env={**os.environ, **CORES},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for _ in range(1200):
        if (folder / "checkpoints" / PREVIOUS).is_file() or process.poll() is not None:
            break
        time.sleep(0.1)
    assert process.poll() is None, process.stderr.read()
    return process


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 138)])
def test_a_signal_ends_a_run_after_its_step(number, code, tmp_path):
    process = started(tmp_path / "run")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code and "interrupted" in err and "Traceback" not in err
    assert "go on with: resume=" in out
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["interrupted"] and step_of(tmp_path / "run/checkpoints" / LAST) == summary["steps"]


@pytest.mark.slow
def test_a_run_that_is_killed_at_any_moment_goes_on(tmp_path):
    folder, rng, before = tmp_path / "run", np.random.default_rng(0), 0
    for attempt in range(4):
        process = started(folder, *([f"resume={folder}"] if attempt else []), "checkpoint.every_n_steps=1")
        time.sleep(float(rng.uniform(0, 2)))
        process.kill()
        process.communicate()
        found = newest(folder / "checkpoints")
        assert found is not None and step_of(found) >= before
        before = step_of(found)
    words = [f"resume={folder}", f"trainer.max_steps={before + 2}", "checkpoint.every_n_steps=5"]
    done = command(*words)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_killed_reader_is_said(tmp_path, monkeypatch):
    original = Metrics.on_train_batch_end

    def kill(self, trainer, *args):
        original(self, trainer, *args)
        if trainer.global_step == 12:
            children = subprocess.run(["pgrep", "-P", str(os.getpid())], capture_output=True, text=True).stdout.split()
            for child in children:
                if "python" in Path(f"/proc/{child}/cmdline").read_text().replace("\0", " "):
                    os.kill(int(child), signal.SIGKILL)

    monkeypatch.setattr(Metrics, "on_train_batch_end", kill)
    words = configured("probe=none", "hardware.workers=1", "trainer.max_steps=400", "checkpoint.every_n_steps=5")
    with pytest.raises(OSError, match=r"a process that reads data has died .*lower hardware.workers.*resume="):
        run(words, str(tmp_path / "run"))
    assert step_of(tmp_path / "run/checkpoints" / LAST) >= 10


@pytest.mark.slow
def test_when_a_rank_is_killed_the_other_ends(tmp_path):
    process = started(tmp_path / "run", "hardware=ddp_cpu")
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
    ranks = [c for c in children if "train.py" in Path(f"/proc/{c}/cmdline").read_text()]
    assert len(ranks) == 1
    began = time.monotonic()
    os.kill(int(ranks[0]), signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode != 0 and time.monotonic() - began < 60
    assert is_readable(tmp_path / "run/checkpoints" / LAST)


@pytest.mark.slow
def test_a_folder_that_cannot_be_written_ends_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    done = command(*LONG, f"hydra.run.dir={tmp_path}/file/run")
    assert done.returncode == 1 and done.stderr.strip().splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_job_of_slurm_that_must_end_goes_on_when_it_starts_anew(tmp_path):
    """Two tasks, with the variables that srun gives them."""
    job = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "try", "SLURM_STEP_ID": "0", "SLURM_NODELIST": "localhost"}
    job |= {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_NNODES": "1", "SLURM_NODEID": "0"}
    words = [*LONG, "hardware=slurm", "hardware.accelerator=cpu", "resume=auto", "checkpoint.every_n_steps=5"]

    def tasks(*more):
        return [
            subprocess.Popen(
                [sys.executable, str(ROOT / "train.py"), *words, *more],
                cwd=tmp_path,
                env={**os.environ, **CORES, **job, "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank in range(2)
        ]

    first = tasks()
    saved = tmp_path / "outputs/train/job-7/checkpoints" / LAST
    for _ in range(1200):
        if saved.is_file() or first[0].poll() is not None:
            break
        time.sleep(0.1)
    for process in first:  # sbatch --signal=USR1@120
        process.send_signal(signal.SIGUSR1)
    said = [process.communicate(timeout=60) for process in first]
    assert first[0].returncode == 138, said[0][1]
    at = step_of(saved)
    second = tasks(f"trainer.max_steps={at + 5}")
    said = [process.communicate(timeout=120) for process in second]
    assert [process.returncode for process in second] == [0, 0], said[0][1]
    assert step_of(saved) == at + 5 and "32 = 2 device(s) x 16" in said[0][0]
    assert [path.name for path in (tmp_path / "outputs/train").iterdir()] == ["job-7"]


def _one_spoiled(rank, queue, config, folder):
    os.environ.update(LOCAL_RANK=str(rank), WORLD_SIZE="2", NODE_RANK="0")
    original = PretrainModule.training_step

    def step(self, *args):
        losses = original(self, *args)
        spoiled = rank == 1 and self.trainer.global_step == 5
        return {name: value * float("nan") for name, value in losses.items()} if spoiled else losses

    PretrainModule.training_step = step
    try:
        run(config, folder)
    except ValueError as error:
        queue.put((rank, str(error)))


@pytest.mark.slow
def test_a_loss_that_is_no_number_on_one_rank_ends_both_before_they_save(tmp_path):
    config = compose([*TINY, "hardware=ddp_cpu", "trainer.max_steps=9", "checkpoint.every_n_steps=3"])
    (_, first), (_, second) = in_two_processes(_one_spoiled, config, str(tmp_path))
    assert first.startswith("the loss of another process is no number at step 6: lower optimizer.lr")
    assert second.startswith("the loss is nan at step 6") and "the last good checkpoint is last.ckpt" in second
    assert step_of(tmp_path / "checkpoints" / LAST) == 3
