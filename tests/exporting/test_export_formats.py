"""Every part of every kind of graph in every format, also where the package is not."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from helpers.exports import CONV, ESTIMATES, EXPORT_ALL, IMAGE, TRANSLATOR, X, folder_of_a_run, ssl

import ssl_pipeline
from ssl_pipeline.data import Bytes, Waveform

VIT = ["encoder=vit", "decoder=cross_attention", "encoder.width=24", "encoder.depth=2", "encoder.heads=2"]
VIT += ["decoder.width=16", "decoder.heads=2"]
UNET = ["encoder=unet", "encoder.widths=[8,16]", "decoder=unet", ESTIMATES]
ELSEWHERE = """
import sys, torch
model = torch.export.load(sys.argv[1]).module()
found = model(x=torch.load(sys.argv[2], weights_only=True))
assert not [name for name in sys.modules if name.startswith("ssl_pipeline")]
torch.save(found, sys.argv[3])
"""


@pytest.mark.slow
def test_what_torch_exports_runs_where_the_package_is_not(run, tmp_path):
    ssl("export", f"run={run}", "part=restorer:noise", "format=torch_export", f"out={tmp_path}/out")
    torch.save(X, tmp_path / "x.pt")
    subprocess.run(
        [sys.executable, "-c", ELSEWHERE, f"{tmp_path}/out/model.pt2", f"{tmp_path}/x.pt", f"{tmp_path}/y.pt"],
        check=True,
    )
    found = torch.load(tmp_path / "y.pt", weights_only=True)
    assert torch.allclose(found, ssl_pipeline.load(run).restore(X, "noise"), atol=1e-5)
    with pytest.raises(ValueError, match="as torch_export, which runs without this package"):
        ssl_pipeline.load(tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize("format", ["torch_export", "onnx"])
@pytest.mark.parametrize("kind", ["conv", "vit", "keep", "slots", "text", "writer", "timm", "wave", "unet"])
def test_every_part_of_every_kind_of_graph_is_exported(kind, format, tmp_path):
    """In a process of its own, see ``ssl``; ``export`` itself compares each with the live model."""
    if format == "onnx":
        pytest.importorskip("onnxruntime")
    views = "corruption=noise+lowres+mask"
    symbols = ["corruption.mask.cell=1", "objective=cross_entropy", "data=pydoc"]
    kinds = {
        "conv": [*CONV, *TRANSLATOR, views],
        "vit": [*VIT, *TRANSLATOR, views, "encoder.pool=2"],
        "keep": [*VIT, *TRANSLATOR, views, "encoder.masked=token"],
        "slots": [*VIT, *TRANSLATOR, views, "latent=slots", "latent.heads=2"],
        "text": [*VIT, views, *symbols],
        "writer": [*VIT, "corruption=noise+mask", *symbols, "decoder=autoregressive"],
        "timm": ["encoder=timm", "encoder.name=resnet10t", "corruption=noise+lowres", "decoder=conv"],
        "wave": [*CONV, "corruption=noise+mask"],
        "unet": [*UNET, *TRANSLATOR, views],
    }
    codecs = {"text": Bytes(16), "writer": Bytes(16), "wave": Waveform(rate=64, seconds=1)}
    run = folder_of_a_run(tmp_path / "run", *kinds[kind], codec=codecs.get(kind, IMAGE))
    parts = ["encoder", "front@latent", "decoder"]
    if kind not in ("timm", "writer"):
        parts += ["front@encoder.0", "back@encoder.0", "restorer:noise", "front@decoder.0", "back@decoder.0"]
    if kind in ("conv", "vit", "keep", "slots", "unet"):
        parts += ["restorer:mask", "translator:noise-lowres", "translator:mask-lowres"]
    axis = {"text": "position", "writer": "position", "wave": "", "conv": "", "timm": "", "unet": ""}.get(kind, "x")
    words = [sys.executable, "-c", EXPORT_ALL, str(run), str(tmp_path), format, axis, *parts]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
