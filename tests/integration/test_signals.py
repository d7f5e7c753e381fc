"""Runs that are signalled, killed or restarted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.paths import ROOT
from helpers.runs import CORES, command, configured, step_of

from ssl_pipeline.training import run
from ssl_pipeline.training.callbacks import Metrics
from ssl_pipeline.utils.checkpoints import LAST, PREVIOUS, is_readable, newest

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
