"""Commands called from Python: what they take, what they return, and that they print nothing."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from helpers.exports import CONV, folder_of_a_run
from helpers.pages import blocks
from helpers.paths import ROOT

import ssl_pipeline as sslp
from ssl_pipeline import commands
from ssl_pipeline.api import Run
from ssl_pipeline.cli.main import COMMANDS
from ssl_pipeline.data import digits
from ssl_pipeline.data.memory import MemoryDataset

X = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
QUICK = {"few_shot": (), "seeds": 1, "limit": 100, "device": "cpu"}


def few():
    """Digits of which there are hardly any."""
    parts = {"train": digits().train[range(150)], "test": digits().test[range(50)]}
    return replace(digits(), **{name: MemoryDataset(some.x, some.label) for name, some in parts.items()})


def test_every_command_is_a_function():
    assert {"train", *commands.__all__} == {*COMMANDS}
    assert all(getattr(commands, name).__name__ == name for name in commands.__all__)
    assert {"evaluate", "embed", "export", "restore", "compare"} < {*dir(sslp)}


def test_whose_code_is_trusted_is_said_by_the_caller_alone():
    for name in commands.__all__:
        takes = inspect.signature(getattr(commands, name)).parameters
        assert "trust" not in takes or takes["trust"].default == (), name
        assert ("trust" in takes) == (name != "compare"), name  # which loads no run


def test_evaluate_gives_a_table_with_plain_numbers(run, tmp_path, capsys):
    found = sslp.evaluate(Run(run, {}), few(), out=tmp_path / "out.json", **QUICK)
    rows = json.loads((tmp_path / "out.json").read_text())["rows"]
    assert [*found.scores] == ["this encoder", "untrained encoder", "raw input", "majority class"] == [*rows]
    for row, scores in found.scores.items():
        assert scores == {name: score["mean"] for name, score in rows[row].items()}
    assert repr(found) == str(found) and "| | kNN-20 | balanced | linear |" in str(found)
    html = found._repr_html_()
    assert html.count("<table>") == 1 and f"{found.scores['raw input']['knn']:.1f}</" in html and "<b>" in html
    assert capsys.readouterr().out == ""


def test_evaluate_takes_a_model_in_memory_and_writes_nothing_then(run):
    found = sslp.evaluate(sslp.load(run), few(), baselines=False, **QUICK)
    assert found.file is None and [*found.scores] == ["this encoder"]


def test_embed_gives_what_the_model_does(run, images, tmp_path, capsys):
    model = sslp.load(run)
    for one in (run, str(run), Run(run, {}), model):
        assert torch.equal(sslp.embed(one, X, device="cpu"), model.embed(X))
    assert torch.equal(sslp.embed(run, X.numpy(), view="noise", device="cpu"), model.embed(X, view="noise"))
    for one, out in ((run, "of_folder"), (model, "of_model")):
        assert sslp.embed(one, images, tmp_path / out) == tmp_path / out
    tables = [pq.read_table(sorted((tmp_path / out).glob("*.parquet"))) for out in ("of_folder", "of_model")]
    assert tables[0].equals(tables[1]) and tables[0]["id"].to_pylist() == ["0.png", "1.png", "2.png"]
    assert capsys.readouterr().out == ""


def test_other_weights_in_memory_do_not_go_on_with_a_folder(run, images, tmp_path):
    model = sslp.load(run)
    sslp.embed(model, images, tmp_path / "out")
    sslp.embed(sslp.load(run), images, tmp_path / "out")  # the same ones do
    next(model.graph.parameters()).data.add_(1)
    with pytest.raises(ValueError, match="made with another weights"):
        sslp.embed(model, images, tmp_path / "out")


def test_restore_gives_samples_or_a_folder(run, images, tmp_path, capsys):
    model = sslp.load(run)
    hidden = torch.zeros(4, 8, 8, dtype=torch.bool)
    hidden[:, 2:5] = True
    assert torch.equal(sslp.restore(run, X, view="noise", device="cpu"), model.restore(X, "noise"))
    assert torch.equal(sslp.restore(model, X, view="mask", mask=hidden), model.restore(X, "mask", hidden))
    assert sslp.restore(run, images, tmp_path / "out", "noise") == tmp_path / "out"
    assert len([*(tmp_path / "out").glob("?.png")]) == 3
    assert capsys.readouterr().out == ""


def test_export_gives_the_folder(run, tmp_path):
    model = sslp.load(run)
    folder = sslp.export(Run(run, {}), view="noise")
    assert folder == run / "exports/encoder_noise_safetensors" and "81.2" in (folder / "README.md").read_text()
    assert torch.equal(sslp.embed(folder, X, view="noise", device="cpu"), model.embed(X, view="noise"))
    assert sslp.export(model, "restorer:noise", out=tmp_path / "out") == tmp_path / "out"


def test_a_folder_is_read_as_the_runs_own_was(images, tmp_path):
    words = ["data=folder", f"data.root={images}", "data.size=8", "data.channels=1", "data.split.holdout=0"]
    run = folder_of_a_run(tmp_path / "run", *CONV, *words)
    (tmp_path / "more").mkdir()
    (tmp_path / "more/a.png").write_bytes((images / "0.png").read_bytes())
    (tmp_path / "more/b.png").write_bytes((images / "1.png").read_bytes())
    sslp.embed(run, out=tmp_path / "z.npz", data=tmp_path / "more", split="train", device="cpu")
    assert [path[-5:] for path in np.load(tmp_path / "z.npz")["path"]] == ["a.png", "b.png"]
    half = {"options": {"data.split.holdout": 0.5}, "split": "train", "device": "cpu"}
    sslp.embed(run, out=tmp_path / "half.npz", data=tmp_path / "more", **half)
    assert len(np.load(tmp_path / "half.npz")["id"]) == 1


def test_a_folder_is_read_as_what_it_holds_where_the_runs_own_data_lie_in_none(run, images, tmp_path):
    sslp.embed(run, out=tmp_path / "z.npz", data=images, options={"data.split.holdout": 0}, split="train")
    found = np.load(tmp_path / "z.npz")
    paths = [images / name for name in ("0.png", "1.png", "2.png")]
    wanted = sslp.load(run).embed(paths)
    assert torch.allclose(torch.as_tensor(found["embedding"]), wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("work", "sentence"),
    [
        (lambda run, **_: sslp.embed(run), r"expected out=\.\.\.: expected a folder for Parquet files"),
        (lambda run, **_: sslp.embed(run, "nowhere"), "there is no nowhere: set source to a file"),
        (lambda run, **_: sslp.restore(run, "nowhere"), "there is no nowhere: set source to a file"),
        (lambda run, **_: sslp.embed(run, X, "out"), "samples in memory give embeddings in memory: leave out out="),
        (lambda run, **_: sslp.embed(run, "x", "out", "digits"), "expected one of source"),
        (lambda run, **_: sslp.restore(run, X, "out"), "samples in memory are restored in memory"),
        (lambda run, images: sslp.restore(run, images), r"expected out=\.\.\., a folder"),
        (
            lambda run, images: sslp.restore(run, images, "out", "mask", mask=X),
            "expected the masks of files as images",
        ),
        (lambda run, **_: sslp.export(sslp.load(run)), "a model in memory has no folder of its own"),
        (lambda run, **_: sslp.embed(sslp.load(run), X, set="a"), "set=a: this model is of a run on one data set"),
        (lambda run, **_: sslp.evaluate([run, run], out="x.json"), "names a run twice"),
        (lambda run, **_: sslp.evaluate("timm:resnet10t"), "has no data of its own"),
        (lambda run, **_: sslp.compare([run]), "two runs at least"),
        (lambda run, **_: sslp.compare(str(run)), "two runs at least"),
        (lambda **_: sslp.evaluate(3), "expected run to be the folder of a run, a Run or a Model, got 3"),
        (lambda **_: sslp.embed("", X), "expected run to be the folder of a run, a Run or a Model, got ''"),
        (lambda **_: sslp.pretrain("digits", epochs=1, steps=1), "the end is named twice, epochs=1 and steps=1"),
        (lambda **_: commands.report(""), "expected run to be the folder of a run or a Run, got ''"),
        (lambda **_: sslp.pretrain("digits", epochs=-5), "expected at least one epoch or step, got -5"),
        (lambda **_: sslp.pretrain("digits", steps=2, options={"trainer.max_steps": 3}), "max_steps is named twice"),
        (lambda **_: sslp.pretrain(""), "or the name of a data set, got an empty name"),
        (lambda **_: sslp.pretrain("photos"), "neither a folder or table nor a data set of the name 'photos'"),
    ],
)
def test_what_cannot_be_is_said_in_the_sentences_of_the_command(work, sentence, run, images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, FileNotFoundError), match=sentence):
        work(run=run, images=images)


def test_a_further_folder_of_configurations_may_name_the_data(tmp_path):
    (tmp_path / "conf/data").mkdir(parents=True)
    (tmp_path / "conf/data/mine.yaml").write_text("# @package data\ntype: digits\n")
    words = {"hydra.searchpath": [f"{tmp_path}/conf"], "report.page": False, "hardware": "cpu", "probe": "none"}
    assert sslp.pretrain("mine", corruption="noise", steps=1, output=tmp_path / "run", options=words).summary["steps"]
    with pytest.raises(ValueError, match="other"):
        sslp.pretrain("other", corruption="noise", steps=1, output=tmp_path / "run", options=words)


def test_what_the_page_says_works(run, images, tmp_path, monkeypatch):
    (code,) = (text for text in blocks(ROOT / "docs/python.md", "python") if "sslp.evaluate(run, limit" in text)
    code = code.replace("outputs/train/<time>", str(run)).replace("path/to/images", str(images))
    monkeypatch.chdir(tmp_path)
    names = {"x": X}
    exec(code.replace("limit=1000", "limit=100, seeds=1, few_shot=(), baselines=False"), names)
    assert names["z"].shape == (4, 64) and names["x_hat"].shape == X.shape
    assert len(pq.read_table(sorted((tmp_path / "digits").glob("*.parquet")))) == 1797


HELP = """
import sys
from ssl_pipeline.cli.main import COMMANDS, main
for name in COMMANDS:
    if name != "train":
        assert main([name, "--help"]) == 0
        assert name == "draw_dag" or main([name, "rnu=x"]) == 1  # which takes all options of train
assert "torch" not in sys.modules
"""


def test_help_and_misspelt_names_need_no_torch():
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "few_shot=0.01,0.1" in done.stdout and "there is no argument 'rnu'; nearest: run" in done.stderr
