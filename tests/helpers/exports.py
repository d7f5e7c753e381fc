"""Folders as runs leave them, and the command line in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import torch
import yaml
from helpers.build import build

from ssl_pipeline.config.compose import compose
from ssl_pipeline.config.saved import SAMPLES_CODEC
from ssl_pipeline.data import Pixels
from ssl_pipeline.structures.data_spec import DataSpec

IMAGE = Pixels(size=8, channels=1)
CONV = ["encoder.widths=[8,16]", "decoder.widths=[8,8]"]
SHRINKAGE = "{type: dct_shrinkage, thresholds: [3], wiener: true, blocks: [6]}"
ESTIMATES = f"decoder.estimates={{a: {SHRINKAGE}, b: flat_filling, c: run_interpolation}}"
TRANSLATOR = ["objective=reconstruct+reconstruct", "objective.reconstruct_2.to=lowres"]
X = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def folder_of_a_run(folder: Path, *words: str, codec=IMAGE) -> Path:
    """As training leaves it, untrained."""
    torch.manual_seed(0)
    config, grid = compose([*words, "views_per_step=all"]), codec.grid
    graph = build(config, grid, *(() if grid.discrete else ([0.4] * grid.width, [0.3] * grid.width)))
    for parameter in graph.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.yaml").write_text(
        yaml.safe_dump({**config, "spec": DataSpec(grid).to_plain(), "classes": None}, sort_keys=False)
    )
    (folder / "codecs.json").write_text(json.dumps({SAMPLES_CODEC: codec.plain()}))
    (folder / "summary.json").write_text(
        json.dumps({"knn": 81.23, "linear": 84.5, "linear_raw": 80.0, "protocol": "P1"})
    )
    torch.save(
        {"state_dict": {f"graph.{k}": v for k, v in graph.state_dict().items()}}, folder / "checkpoints/last.ckpt"
    )
    return folder


def ssl(*words: str) -> str:
    """In a process of its own: the tests check shapes in annotations, which tracers cannot follow."""
    done = subprocess.run(
        [sys.executable, "-m", "ssl_pipeline.cli.main", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


EXPORT_ALL = """
import os, sys
from pathlib import Path
import ssl_pipeline
from ssl_pipeline.exporting import export_part

run, out, format, axis, parts = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5:]
for part in parts:
    view = "mask" if "@" in part and "mask" in ssl_pipeline.load(run).views else None
    export_part(ssl_pipeline.load(run), part, folder := out / part.replace(":", "_"), view, format)
    os.chdir(folder)
    exec((folder / "README.md").read_text().split("```python")[1].split("```")[0], {})
if axis:
    found = export_part(ssl_pipeline.load(run), "encoder", out / "longer", None, format, axis)
    assert len({trial.split(" of ")[1] for trial in found}) == 2, found
"""
