"""The code of a restorer's card restores images of any size as the command does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.cards import code_of, run_elsewhere
from helpers.exports import CONV, ESTIMATES, folder_of_a_run, ssl
from PIL import Image

import ssl_pipeline as sslp
from ssl_pipeline.data import Pixels
from ssl_pipeline.inference.files import any_size

UNET = ["encoder=unet", "decoder=unet", ESTIMATES]
HEADING = "An image of any size"


@pytest.mark.parametrize(
    ("mode", "channels", "kind"),
    [("RGB", 3, UNET), pytest.param("L", 1, CONV, marks=pytest.mark.slow)],
)
def test_it_restores_as_the_command_does_by_windows_of_the_same_size(mode, channels, kind, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(any_size, "_LARGER", 1)
    torch.manual_seed(0)
    run = folder_of_a_run(tmp_path / "run", *kind, "corruption=noise", codec=Pixels(16, channels))
    ssl("export", f"run={run}", "part=restorer:unknown", "format=onnx", f"out={tmp_path}/out")
    drawn = np.random.default_rng(0)
    (tmp_path / "files").mkdir()
    for name, size in (("large", (29, 45)), ("small", (11, 20))):
        pixels = drawn.integers(0, 256, (*size, channels), dtype=np.uint8).squeeze()
        Image.fromarray(pixels, mode).save(tmp_path / f"files/{name}.png")
    sslp.restore(run, tmp_path / "files", tmp_path / "restored", device="cpu")
    for name in ("large", "small"):
        code = code_of(tmp_path / "out", HEADING).replace("image.png", f"{tmp_path}/files/{name}.png")
        run_elsewhere(code.replace("restored.png", f"{tmp_path}/{name}.png"), tmp_path / "out", tmp_path)
        ours = np.asarray(Image.open(tmp_path / f"restored/{name}.png")).astype(int)
        theirs = np.asarray(Image.open(tmp_path / f"{name}.png")).astype(int)
        assert ours.shape == theirs.shape and abs(ours - theirs).max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "format", "codec"),
    [
        ("encoder", "onnx", Pixels(16, 3)),
        ("restorer:unknown", "torch_export", Pixels(16, 3)),
        ("restorer:unknown", "onnx", Pixels(16, 1, range=(0, 4096))),
    ],
)
def test_other_parts_have_none(part, format, codec, tmp_path):
    pytest.importorskip("onnxruntime")
    run = folder_of_a_run(tmp_path / "run", *CONV, "corruption=noise", codec=codec)
    ssl("export", f"run={run}", f"part={part}", f"format={format}", f"out={tmp_path}/out")
    assert HEADING not in (tmp_path / "out/README.md").read_text()
