"""Short runs: what they are made of, and the command that starts them."""

from __future__ import annotations

import os
import subprocess
import sys

import torch
from helpers.paths import ROOT

from ssl_pipeline.config.compose import compose

SMALL = ["encoder.widths=[8,16]", "decoder.widths=[8,8]", "batch_size=128", "trainer.log_every_n_steps=5"]
QUICK = ["probe.online=0", "probe.protocol.few_shot=0", "probe=clean", "probe.budget=null"]
TINY = [*SMALL, "probe=none", "diagnostics.every=0", "report.page=false", "optimizer.warmup=0", "optimizer.final=1"]
CORES = {"OMP_NUM_THREADS": "1"}


def configured(*overrides):
    return compose([*SMALL, *([] if "probe=none" in overrides else QUICK), *overrides])


def command(*arguments, cwd=ROOT, **env):
    return subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *arguments],
        cwd=cwd,
        env={**os.environ, **CORES, **env},
        capture_output=True,
        text=True,
        timeout=300,
    )


def step_of(file):
    return torch.load(file, weights_only=True)["global_step"]
