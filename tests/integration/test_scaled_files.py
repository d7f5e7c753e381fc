"""A run on images of computer tomographs: its range is saved, and other files are read and written by it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import yaml
from helpers.commands import call
from helpers.deep_images import wave, write_folder
from PIL import Image

import ssl_pipeline as sslp
from ssl_pipeline.exporting import export_part
from ssl_pipeline.inference.dataset import data_of

QUICK = {"probe": "none", "report.page": False, "hardware": "cpu", "diagnostics.every": 0, "corruption": "noise"}
QUICK |= {"data.channels": 1, "data.size": 8, "encoder.widths": [8, 16], "decoder.widths": [8, 8]}


def units(x):
    """Hounsfield units."""
    return x * 4000 - 1000


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two steps."""
    place = tmp_path_factory.mktemp("runs")
    root = write_folder(place / "images", units, np.int32, ".tif")
    return sslp.pretrain(root, steps=2, batch_size=8, output=place / "run", options=QUICK)


def test_the_range_is_said_and_saved(run, capsys):
    codecs = json.loads((run.folder / "codecs.json").read_text())
    assert codecs["samples"]["range"] == [-1000, 3000]
    assert yaml.safe_load((run.folder / "config.yaml").read_text())["data"]["range"] == [-1000, 3000]
    root = run.folder.parent / "images"
    sslp.pretrain(root, steps=1, batch_size=8, output=run.folder.parent / "again", options=QUICK)
    assert "range      -1000 to 3000 in files, as data.range says or up to 128 of them show," in capsys.readouterr().out


def test_other_files_are_read_in_the_range_of_the_run(run, tmp_path):
    other = write_folder(tmp_path / "other", lambda x: units(x / 4), np.int32, ".tif", count=4)
    files = sorted(other.iterdir())
    model = sslp.load(run.folder)
    x = np.stack([np.asarray(Image.open(file)) for file in files]).astype(np.float32)
    wanted = torch.nn.functional.interpolate(
        torch.from_numpy((x + 1000) / 4000)[:, None], (8, 8), mode="bicubic", antialias=True
    )
    images = [Image.open(file) for file in files]
    whole = {"data.split.holdout": 0}
    by_name = data_of(model, other, whole)
    for found in (by_name, data_of(model, images, whole)):
        torch.testing.assert_close(found.train[range(4)].x, wanted.clamp(0, 1), atol=1e-4, rtol=0)
    z = model.embed(files)
    torch.testing.assert_close(z, model.embed(images))
    exported = sslp.load(export_part(model, "encoder", tmp_path / "out") and tmp_path / "out")
    torch.testing.assert_close(exported.embed(files), z)
    assert call("embed", f"run={run.folder}", f"source={other}", f"out={tmp_path}/z.npz") == 0
    np.testing.assert_allclose(np.load(tmp_path / "z.npz")["embedding"], z, atol=1e-5)
    with pytest.raises(ValueError, match=r"this model's files hold -1000 to 3000; pass such files or PIL images"):
        model.embed(x[:, None, :8, :8])
    with pytest.raises(ValueError, match="expected floats from 0 to 1, got uint8"):
        model.embed(np.zeros((1, 1, 8, 8), np.uint8))


def test_restored_files_are_in_the_units_of_the_run(run, tmp_path):
    (tmp_path / "in").mkdir()
    values = np.rint(units(wave(3, side=8)[..., 0])).astype(np.int32)
    Image.fromarray(values).save(tmp_path / "in/a.tif")
    assert call("restore", f"run={run.folder}", "view=noise", f"source={tmp_path}/in", f"out={tmp_path}/out") == 0
    found = np.asarray(Image.open(tmp_path / "out/a.tif"))
    x = torch.from_numpy((values + 1000) / 4000).float()[None, None]
    wanted = sslp.load(run.folder).restore(x, "noise")[0, 0].double().clamp(0, 1) * 4000 - 1000
    assert found.dtype == np.int32 and np.abs(found - wanted.numpy()).max() < 1 and found.min() < 255


def test_a_set_whose_files_changed_keeps_its_range(run, tmp_path):
    root = run.folder.parent / "images"
    bright = root / "99.tif"
    Image.fromarray(np.full((24, 24), 9000, dtype=np.int32)).save(bright)
    try:
        with pytest.warns(UserWarning, match=r"1 of 21 images hold values outside the range: .*99.tif"):
            data = data_of(sslp.load(run.folder))
    finally:
        bright.unlink()
    assert data.codec.range == (-1000, 3000)


def test_a_run_goes_on_in_its_range(run):
    root = run.folder.parent / "images"
    on = QUICK | {"resume": str(run.folder)}
    again = sslp.pretrain(root, steps=3, batch_size=8, options=on)
    assert again.summary["steps"] == 3
    assert yaml.safe_load((run.folder / "config.yaml").read_text())["data"]["range"] == [-1000, 3000]
    with pytest.raises(ValueError, match=r"differs from the run that is resumed \(data.range was \[-1000, 3000\]\)"):
        sslp.pretrain(root, steps=4, batch_size=8, options=on | {"data.range": [0, 5]})
