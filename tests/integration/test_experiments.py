"""Every experiment runs as it stands, on data that needs no download."""

from __future__ import annotations

import re
from math import isfinite

import numpy as np
import pytest
import soundfile
import yaml
from helpers.build import build
from helpers.few_samples import FEW
from helpers.paths import CONF, yaml_files

import ssl_pipeline
from ssl_pipeline.config.compose import compose
from ssl_pipeline.data.folders.contents import reader_of
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.training import run

EXPERIMENTS = CONF / "experiment"
NAMES = sorted(path.stem for path in yaml_files("experiment"))
SWEEPS = sorted(path.stem for path in (EXPERIMENTS / "sweeps").glob("*.yaml"))
SHORT = ["batch_size=8", "trainer.max_steps=2", "probe=none"]


@pytest.mark.parametrize("name", NAMES)
def test_experiment_takes_steps(name, tmp_path):
    summary = run(compose([f"experiment={name}", *SHORT, *FEW.get(name, [])]), str(tmp_path))
    assert summary["steps"] == 2 and isfinite(summary["loss"]) and summary["loss"] != 0


@pytest.mark.parametrize("name", SWEEPS)
def test_sweep_asks_for_what_there_is(name):
    """Six runs each, the same for all: two rates by three values of the number that the method is known to need."""
    params = yaml.safe_load((EXPERIMENTS / "sweeps" / f"{name}.yaml").read_text())["hydra"]["sweeper"]["params"]
    values = {key: re.findall(r"\[.*?\]|[^,]+", str(asked)) for key, asked in params.items()}
    assert [len(of) for of in values.values()] == [2, 3]
    assert name in NAMES
    grid = GridSpec.of(("y", 28), ("x", 28), channels=1)
    for last in zip(*(of[-2:] for of in values.values()), strict=True):
        asked = [f"{key}={value}" for key, value in zip(values, last, strict=True)]
        build(compose([f"experiment=sweeps/{name}", *asked]), grid)


@pytest.mark.parametrize(
    ("data", "more"),
    [
        ("tones", ["data.features=waveform", "data.seconds=0.05"]),
        ("tones", ["data.seconds=0.1"]),
        ("pydoc", ["data.length=32", "encoder=vit", "decoder=cross_attention", "objective=cross_entropy"]),
        ("pydoc", ["data.length=32", "data.tokens=bpe", "data.vocab_size=400", "encoder=vit", "encoder.ngrams=3"]),
    ],
)
def test_models_take_raw_things_after_a_run(data, more, tmp_path):
    """The codec is saved with the run, a trained one with what it has learnt."""
    text = ["decoder=cross_attention", "objective=cross_entropy"] if data == "pydoc" else []
    small = ["encoder.width=24", "encoder.depth=1", "encoder.heads=2"] if data == "pydoc" else []
    run(compose([f"data={data}", *more, *text, *small, *SHORT]), str(tmp_path))
    model = ssl_pipeline.load(tmp_path)
    raw = ["The with statement", "x"] if data == "pydoc" else [[0.1] * 300, [0.0] * 4000]
    z = model.embed(raw)
    assert z.shape[0] == 2 and z.isfinite().all()
    x, valid = model.codec.encode(raw)
    assert (model.embed(x, valid) == z).all()


def test_a_list_needs_a_codec(tmp_path):
    run(compose(["encoder.widths=[8]", "decoder.widths=[8]", *SHORT]), str(tmp_path))
    with pytest.raises(ValueError, match="expected images as paths or as PIL images, got list"):
        ssl_pipeline.load(tmp_path).embed([[0.0] * 64])
    (tmp_path / "codecs.json").unlink()
    with pytest.raises(ValueError, match="one array or tensor, got a list"):
        ssl_pipeline.load(tmp_path).embed([[0.0] * 64])


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        (["a.jpg", "b.png", "a.txt", "b.txt", "meta.json"], "folder"),
        (["a.wav", "a.txt"], "audio_folder"),
        (["a.mp4", "b.MKV", "poster.jpg"], "video_folder"),
        (["a.txt", "b.md"], "text_files"),
        (["a.csv", "b.csv.gz", "notes.txt"], "csv"),
        (["a.jpg", "labels.csv", "more.tsv"], "folder"),
    ],
)
def test_pretrain_sees_what_a_folder_holds(files, kind, tmp_path):
    for name in files:
        (tmp_path / name).touch()
    assert reader_of(tmp_path) == kind
    if kind == "csv":
        assert reader_of(tmp_path / "a.csv") == "csv"
        with pytest.raises(ValueError, match=r"notes.txt' is a file and no table \(.csv, "):
            reader_of(tmp_path / "notes.txt")


def test_pretrain_on_texts(tmp_path):
    for number in range(12):
        (tmp_path / f"{number}.txt").write_text(f"a text with the number {number} " * 20)
    small = {"trainer.max_steps": 2, "probe": "none", "encoder.width": 24, "encoder.depth": 1, "encoder.heads": 2}
    run = ssl_pipeline.pretrain(str(tmp_path), batch_size=4, output=str(tmp_path / "run"), options=small)
    assert run.model.embed(["a text"]).shape == (1, 24)


def test_an_empty_folder_holds_nothing_to_learn_from(tmp_path):
    with pytest.raises(FileNotFoundError, match="no image, recording, video, text or table"):
        ssl_pipeline.pretrain(str(tmp_path))


def test_padding_does_not_keep_a_latent_from_covering_the_grid(tmp_path):
    """Recordings shorter than a window, a patch transformer, and a decoder that needs a dense latent."""
    for number in range(12):
        soundfile.write(tmp_path / f"{number}.wav", np.sin(np.arange(1500 + 100 * number)) * 0.3, 8000)
    data = ["data=audio_folder", f"data.root={tmp_path}", "data.seconds=0.25"]
    small = ["encoder=vit", "encoder.width=24", "encoder.depth=1", "encoder.heads=2", "corruption=noise+reversal"]
    summary = run(compose([*data, *small, *SHORT]), str(tmp_path / "run"))
    assert summary["loss"] > 0
    wave, _ = soundfile.read(next((tmp_path / "run" / "samples").glob("0_reversal.wav")))
    assert np.abs(wave).max() > 0.05
