"""Small inputs that failed when users tried them: deep and broken files, odd folders, odd labels."""

from __future__ import annotations

import json
import os
import warnings
from io import BytesIO

import numpy as np
import pytest
import soundfile
import torch
import yaml
from helpers.commands import call
from PIL import Image

import ssl_pipeline as sslp
from ssl_pipeline.config.build import build_part

datasets = pytest.importorskip("datasets")
SIDE = 48
QUICK = ["trainer.max_steps=2", "batch_size=16", "probe.online=0", "probe.budget=null", "report.page=false"]
QUICK += ["probe.protocol.few_shot=0", "probe=clean"]


@pytest.fixture
def scene():
    """Makes smooth pictures with a bright disc, floats from about -0.4 to 1.4."""
    rng = np.random.default_rng(0)

    def one(side: int = SIDE) -> np.ndarray:
        y, x = np.mgrid[:side, :side] / side
        at = rng.uniform(0.3, 0.7, 2)
        waves = 0.3 + 0.3 * np.sin(5 * x + rng.uniform(0, 6)) * np.cos(4 * y)
        return waves + 0.4 * ((x - at[0]) ** 2 + (y - at[1]) ** 2 < rng.uniform(0.1, 0.3) ** 2)

    return one


def rgb(scene) -> Image.Image:
    return Image.fromarray((np.stack([scene() for _ in range(3)], -1).clip(0, 1) * 255).astype(np.uint8))


def folder(root, **options):
    return build_part("data", {"type": "folder", "root": str(root), "size": SIDE, "channels": 1, **options})


def values(data) -> np.ndarray:
    return np.concatenate([part[range(len(part))].x.numpy() for part in (data.train, data.test)])


@pytest.mark.parametrize(
    ("low", "high", "kind", "ending"),
    [
        pytest.param(0, 4095, np.uint16, "png", id="12 bits in 16"),
        pytest.param(0, 1_000_000, np.int32, "tif", id="int32 to 1e6"),
        pytest.param(-1000, 3000, np.int32, "tif", id="CT numbers"),
    ],
)
def test_deep_numbers_are_neither_crushed_nor_white(low, high, kind, ending, scene, tmp_path):
    for i in range(40):
        pixels = (low + scene().clip(0, 1) * (high - low)).astype(kind)
        Image.fromarray(pixels).save(tmp_path / f"{i}.{ending}")
    data = folder(tmp_path)
    x = values(data)
    assert data.codec.range[0] >= low and data.codec.range[1] <= high and data.codec.range[0] < 0.1 * high
    assert len(np.unique(np.rint(x * 1000))) > 200 and 0.1 < x.mean() < 0.9 and x.std() > 0.1


def test_floats_are_read_and_nan_and_inf_are_named(scene, tmp_path):
    for i in range(40):
        Image.fromarray(scene().astype(np.float32)).save(tmp_path / f"{i}.tif")
    for name, wrong in (("nan", np.nan), ("inf", np.inf)):
        pixels = scene().astype(np.float32)
        pixels[0, 0] = wrong
        Image.fromarray(pixels).save(tmp_path / f"{name}.tif")
    with pytest.warns(UserWarning, match=r"2 of 42 .*cannot be read"):
        data = folder(tmp_path)
    assert len(data.train) + len(data.test) == 40 and np.isfinite(values(data)).all()


def test_a_fourth_band_is_kept_or_named(scene, tmp_path):
    for i in range(20):
        picture = rgb(scene)
        picture.putalpha(Image.fromarray(np.full((SIDE, SIDE), 60, np.uint8)))
        picture.save(tmp_path / f"{i}.png")
    x = values(folder(tmp_path, channels=4))
    assert x.shape[1] == 4 and (x[:, 3] == 60).all()
    with pytest.warns(UserWarning, match="fourth band"):
        folder(tmp_path, channels=3)


@pytest.mark.slow
def test_bands_and_volumes_as_arrays(scene, tmp_path):
    bands = np.stack([np.stack([scene(24) for _ in range(12)]) for _ in range(40)]).astype(np.float32)
    volumes = np.stack([np.stack([scene(8) for _ in range(8)])[None] for _ in range(40)]).astype(np.float32)
    for x, axes in ((bands, ("y", "x")), (volumes, ("z", "y", "x"))):
        words = (word.split("=", 1) for word in (*QUICK, "corruption=mask+noise", "hardware=cpu"))
        options = {key: yaml.safe_load(value) for key, value in words}
        run = sslp.pretrain(x, options=options, output=tmp_path / f"{x.ndim}")
        assert run.model.graph.grid.names == axes and run.model.graph.grid.channels == x.shape[1]
        assert run.model.embed(x[:3]).shape[0] == 3 and "knn" not in run.summary


def test_pages_are_named_or_become_channels(scene, tmp_path):
    for i in range(12):
        first, *rest = (Image.fromarray((scene().clip(0, 1) * 255).astype(np.uint8)) for _ in range(5))
        first.save(tmp_path / f"{i}.tif", save_all=True, append_images=rest)
    with pytest.warns(UserWarning, match="5 pages"):
        folder(tmp_path)
    assert values(folder(tmp_path, channels=5, pages="channels")).shape[1] == 5


def test_links_to_nothing_pipes_and_devices_are_left_out(scene, tmp_path):
    for i in range(30):
        rgb(scene).save(tmp_path / f"{i}.png")
        (tmp_path / f"{i}.txt").write_text(f"text number {i} " * 10)
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.txt").symlink_to("/dev/zero")
    with pytest.warns(UserWarning, match=r"gone\.png.*|pipe\.png.*") as said:
        data = folder(tmp_path, unreadable={"max_share": 0.1})
    assert len(data.train) + len(data.test) == 30
    assert all(name in " ".join(str(one.message) for one in said) for name in ("gone.png", "pipe.png"))
    with pytest.warns(UserWarning, match=r"zero\.txt"):
        build_part(
            "data", {"type": "text_files", "root": str(tmp_path), "length": 32, "unreadable": {"max_share": 0.1}}
        )


@pytest.mark.slow
def test_a_runs_own_outputs_are_no_data(scene, tmp_path, monkeypatch):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for i in range(12):
            rgb(scene).save(tmp_path / name / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    here = ["data=folder", "data.root=.", "data.size=16", "corruption=mask+noise", *QUICK]
    assert call("train", *here) == 0 and list(tmp_path.glob("outputs/*/*/samples/*.png"))
    found = folder(tmp_path)
    assert found.classes == ("cat", "dog") and len(found.train) + len(found.test) == 24


@pytest.mark.slow
def test_a_class_of_the_held_out_part_alone_is_named(scene, tmp_path, capsys):
    for part, classes in (("train", "ab"), ("val", "abc")):
        for name in classes:
            (tmp_path / "data" / part / name).mkdir(parents=True)
            for i in range(12 if part == "train" else 5):
                rgb(scene).save(tmp_path / "data" / part / name / f"{i}.png")
    words = ["data=folder", f"data.root={tmp_path / 'data'}", "data.size=16", f"hydra.run.dir={tmp_path / 'run'}"]
    assert call("train", *words, "corruption=mask+noise", *QUICK) == 0
    said = capsys.readouterr().out
    assert "5 of 15 test samples, of c," in said and "kNN-20" in said


@pytest.mark.slow
def test_the_share_of_the_majority_stands_beside_the_accuracies(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for name, count in (("common", 95), ("rare", 10)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(count):
            picture = Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8))
            picture.save(tmp_path / "data" / name / f"{i}.png")
    words = ["data=folder", f"data.root={tmp_path / 'data'}", "data.size=16", f"hydra.run.dir={tmp_path / 'run'}"]
    assert call("train", *words, "corruption=mask+noise", *QUICK) == 0
    found = json.loads((tmp_path / "run/summary.json").read_text())
    assert found["majority"] > 80 and found["majority_balanced"] == 50 and 30 < found["knn_balanced"] < 70
    assert "majority class" in capsys.readouterr().out


def test_a_loud_sine_stays_one(tmp_path):
    t = np.arange(8000) / 8000
    for i in range(12):
        wave = 20 * np.sin(2 * np.pi * (200 + 20 * i) * t)
        soundfile.write(tmp_path / f"{i}.wav", wave, 8000, subtype="DOUBLE")
    options = {"type": "audio_folder", "root": str(tmp_path), "features": "waveform", "seconds": 0.5}
    data = build_part("data", options)
    wave = data.train[torch.tensor([0])].x[0, 0]
    spectrum = torch.fft.rfft(wave).abs().square()
    assert wave.abs().max() > 0.9 and spectrum.max() / spectrum.sum() > 0.9


def rows_of(scene, change):
    rows = []
    for i in range(60):
        file = BytesIO()
        rgb(scene).save(file, "PNG")
        rows.append({"image": {"bytes": file.getvalue(), "path": None}, "label": i % 2})
    change(rows)
    kinds = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    return datasets.Dataset.from_list(rows, features=kinds)


def _cut(rows):
    rows[7]["image"]["bytes"] = rows[7]["image"]["bytes"][:200]


def _none(rows):
    rows[30]["image"] = None


@pytest.mark.parametrize("change", [_cut, _none])
def test_one_bad_row_is_named_and_left_out(change, scene, tmp_path):
    rows_of(scene, change).save_to_disk(str(tmp_path))
    with pytest.warns(UserWarning, match="1 of .*cannot be read"):
        data = build_part("data", {"type": "hf", "path": str(tmp_path), "size": 16})
    assert len(data.train) + len(data.test) == 59


@pytest.mark.slow
def test_an_unlabelled_row_is_trained_on_and_counted(scene, tmp_path, capsys):
    def change(rows):
        rows[3]["label"] = None

    rows_of(scene, change).save_to_disk(str(tmp_path / "data"))
    words = ["data=hf", f"data.path={tmp_path / 'data'}", "data.size=16", f"hydra.run.dir={tmp_path / 'run'}"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert call("train", *words, "corruption=mask+noise", *QUICK) == 0
    said = capsys.readouterr().out
    assert "probes leave out 1 of" in said and "without a label" in said and "kNN-20" in said
