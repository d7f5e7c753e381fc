"""The command that embeds: files, data sets, and where it goes on."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
import torch
from helpers.commands import call
from helpers.exports import CONV, folder_of_a_run

import ssl_pipeline
from ssl_pipeline.data import Bytes, Waveform
from ssl_pipeline.data.io.sound import read_sound


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    words = [*CONV, "corruption=noise+lowres", "encoder.pool=2"]
    return folder_of_a_run(tmp_path_factory.mktemp("wave") / "run", *words, codec=Waveform(rate=800, seconds=0.5))


def table(folder):
    return pq.read_table(folder).to_pydict()  # the folder as it is, as pandas.read_parquet reads it


def test_files_are_embedded_as_the_model_does(run, images, tmp_path):
    assert call("embed", f"run={run}", f"source={images}", f"out={tmp_path}/out", "batch_size=2", "device=cpu") == 0
    found = table(tmp_path / "out")
    assert found["id"] == ["0.png", "1.png", "sub/2.png"]
    wanted = ssl_pipeline.load(run).embed([images / name for name in found["id"]])
    assert torch.allclose(torch.tensor(found["embedding"]), wanted, atol=1e-5)


def test_a_data_set_is_embedded_in_parts_and_goes_on_where_it_stopped(run, tmp_path, monkeypatch, capsys):
    words = [f"run={run}", f"out={tmp_path}/out", "split=all", "rows_per_file=500", "device=cpu"]
    assert call("embed", *words) == 0
    files = sorted((tmp_path / "out").glob("*.parquet"))
    assert [file.name for file in files] == [f"part-{i:05}.parquet" for i in range(4)]
    whole = pq.read_table(files).to_pydict()
    assert whole["id"] == [f"train/{i}" for i in range(1437)] + [f"test/{i}" for i in range(360)]
    assert set(whole) == {"id", "source", "label", "label_name", "embedding"}
    assert whole["label_name"] == [str(label) for label in whole["label"]]
    files[2].unlink()
    kept = files[0].stat().st_mtime_ns
    seen = []
    model = ssl_pipeline.Model
    embedded = model.embed
    monkeypatch.setattr(model, "embed", lambda self, x, *a, **k: seen.append(len(x)) or embedded(self, x, *a, **k))
    assert call("embed", *words) == 0
    assert sum(seen) == 797 and files[0].stat().st_mtime_ns == kept and pq.read_table(files).to_pydict() == whole
    assert call("embed", *words, "view=noise") == 1
    assert "holds results made with another view: take another folder" in capsys.readouterr().err
    assert call("embed", f"run={run}", f"out={tmp_path}/some.npz", "limit=70", "device=cpu") == 0
    some = np.load(tmp_path / "some.npz")
    assert some["embedding"].shape == (70, 64) and some["id"][0] == "test/0"
    assert np.allclose(some["embedding"][0], whole["embedding"][1437], atol=1e-5)


@pytest.mark.parametrize("first", [70, 500, 600])
def test_a_smaller_limit_before_leaves_nothing_wrong(first, run, tmp_path):
    words = [f"run={run}", f"out={tmp_path}/out", "split=train", "rows_per_file=500"]
    assert call("embed", *words, f"limit={first}") == 0
    assert len(pq.read_table(sorted((tmp_path / "out").glob("*.parquet")))) == first
    assert call("embed", *words) == 0
    found = pq.read_table(sorted((tmp_path / "out").glob("*.parquet")))
    assert found["id"].to_pylist() == [f"train/{i}" for i in range(1437)]


def test_long_recordings_are_embedded_window_by_window(sounds, tmp_path):
    (tmp_path / "in").mkdir()
    wave = np.sin(np.arange(1600 * 2) / 30).astype("float32") * 0.5
    soundfile.write(tmp_path / "in/long.wav", wave, 1600)  # two seconds at twice the model's rate: 4 windows
    soundfile.write(tmp_path / "in/short.flac", wave[:100], 800)
    assert call("embed", f"run={sounds}", f"source={tmp_path}/in", f"out={tmp_path}/out") == 0
    assert table(tmp_path / "out")["id"] == [
        *(f"long.wav@{second}" for second in ("0.000", "0.500", "1.000", "1.500")),
        "short.flac@0.000",
    ]


def test_damaged_files_are_left_out_and_named(run, images, tmp_path, capsys):
    (images / "broken.png").write_bytes((images / "0.png").read_bytes()[:60])
    for name, more in (("embed", []), ("restore", ["view=noise"])):
        with pytest.warns(UserWarning, match=r"1 of 4 files were left out: broken\.png"):
            assert call(name, f"run={run}", f"source={images}", f"out={tmp_path}/{name}", *more) == 0
    assert table(tmp_path / "embed")["id"] == ["0.png", "1.png", "sub/2.png"]
    assert (tmp_path / "restore/1.png").is_file()
    assert call("embed", f"run={run}", f"source={images}/broken.png", f"out={tmp_path}/none") == 1
    assert "nothing was written" in capsys.readouterr().err


def test_texts_are_embedded_passage_by_passage(tmp_path):
    words = ["data=pydoc", "encoder.width=16", "encoder.depth=1", "encoder.heads=2", "corruption=mask"]
    words += ["decoder.width=16", "decoder.depth=1", "decoder.heads=2"]
    run = folder_of_a_run(tmp_path / "run", *words, codec=Bytes(length=16))
    (tmp_path / "in/sub").mkdir(parents=True)
    (tmp_path / "in/a.txt").write_text("a bird sings of a winter that has gone")
    (tmp_path / "in/sub/b.md").write_text("short")
    (tmp_path / "in/zero.txt").write_bytes(b"\0\0")
    assert call("embed", f"run={run}", f"source={tmp_path}/in", f"out={tmp_path}/out") == 0  # warns
    found = table(tmp_path / "out")
    assert found["id"][0] == "a.txt@0" and found["id"][-1] == "sub/b.md@0" and len(found["id"]) >= 4
    wanted = ssl_pipeline.load(run).embed(["short"])
    assert torch.allclose(torch.tensor(found["embedding"][-1]), wanted[0], atol=1e-5)
    assert "zero.txt" in (tmp_path / "out/_left_out.txt").read_text()


def test_what_is_no_file_does_not_hang(run, images, sounds, tmp_path, capsys):
    os.mkfifo(images / "pipe.png")
    with pytest.warns(UserWarning, match=r"1 of the names in .* are no files .*: pipe.png"):
        assert call("embed", f"run={run}", f"source={images}", f"out={tmp_path}/out") == 0
    assert table(tmp_path / "out")["id"] == ["0.png", "1.png", "sub/2.png"]
    for name, model, more in (("embed", run, []), ("restore", run, ["view=noise"]), ("embed", sounds, [])):
        assert call(name, f"run={model}", f"source={images}/pipe.png", f"out={tmp_path}/{name}", *more) == 1
        assert "pipe.png is a pipe or a device: set source to a file" in capsys.readouterr().err
    with pytest.raises(ValueError, match="it is a folder, a pipe or a device"):
        read_sound(images / "pipe.png")


def test_a_data_set_of_the_runs_own_kind_takes_the_runs_options(images, tmp_path):
    words = ["data=folder", f"data.root={images}", "data.size=8", "data.channels=1", "data.split.holdout=0"]
    run = folder_of_a_run(tmp_path / "run", *CONV, *words)
    shutil.copytree(images, tmp_path / "more")
    (tmp_path / "more/0.png").unlink()
    embed = ["embed", f"run={run}", "split=train", "data=folder", f"data.root={tmp_path}/more"]
    assert call(*embed, f"out={tmp_path}/out") == 0
    found = table(tmp_path / "out")
    assert found["id"] == ["1.png", "sub/2.png"] and found["path"][0] == f"{tmp_path}/more/1.png"
    assert call(*embed, f"out={tmp_path}/half", "data.split.holdout=0.5") == 0  # what is said counts more
    assert len(table(tmp_path / "half")["id"]) == 1
