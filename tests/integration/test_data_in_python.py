"""Runs on data that is passed in Python."""

from __future__ import annotations

from pathlib import Path

import lightning
import numpy as np
import pytest
import torch
import yaml
from helpers.pages import blocks
from helpers.paths import ROOT
from helpers.runs import command
from torch.utils.data import DataLoader, Dataset, TensorDataset

import ssl_pipeline as sslp
from ssl_pipeline.cli.main import main
from ssl_pipeline.commands import report
from ssl_pipeline.config.names import path_of_data
from ssl_pipeline.inference.dataset import data_of

QUICK = {"probe": "none", "report.page": False, "hardware": "cpu", "diagnostics.every": 0}
QUICK |= {"optimizer.warmup": 0.0, "optimizer.final": 1.0}  # a rate that does not depend on where a run ends
X = torch.rand(60, 1, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Three steps on a tensor with labels, with probes."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    options = QUICK | {"probe": "p1", "probe.baselines": False}
    return sslp.pretrain(X, labels=[n % 2 for n in range(60)], steps=3, batch_size=16, output=folder, options=options)


def test_the_run_says_what_it_learnt_from(run):
    saved = yaml.safe_load((run.folder / "config.yaml").read_text())
    assert saved["data"]["description"] == "tensor (60, 1, 8, 8)" and saved["classes"] == ["0", "1"]
    assert {"knn", "linear"} <= run.summary.keys()


def test_a_run_is_used_without_its_data(run, tmp_path):
    assert sslp.load(run.folder).embed(X[:4]).shape == run.model.embed(X[:4]).shape
    assert main(["export", f"run={run.folder}", f"out={tmp_path}/out", "part=encoder"]) == 0


@pytest.mark.parametrize("words", [["evaluate", "run={}"], ["train", "resume={}", "trainer.max_steps=6"]])
def test_what_needs_the_data_asks_for_it(run, words, capsys):
    assert main([word.format(run.folder) for word in words]) == 1
    said = capsys.readouterr().err
    assert "from data that was passed in Python ('tensor (60, 1, 8, 8)'), which no file can name: pass it again" in said


def test_a_run_is_measured_on_data_that_is_passed_again(run, tmp_path, monkeypatch):
    labels = [n % 2 for n in range(60)]
    found = sslp.evaluate(run, X, labels=labels, few_shot=(), out=tmp_path / "out.json", baselines=False, device="cpu")
    assert "kNN-20" in str(found) and (tmp_path / "out.json").is_file()
    with pytest.raises(ValueError, match="labels= belong to data that is passed itself"):
        sslp.evaluate(run, "digits", labels=labels)
    sslp.embed(run, data=TensorDataset(X * 0.9), split="all", out=tmp_path / "z.npz", device="cpu")
    assert np.load(tmp_path / "z.npz")["embedding"].shape[0] == 60
    written = {}
    monkeypatch.setattr("ssl_pipeline.report.page.write_report", lambda to, _, sets, *more: written.update(sets) or to)
    report(run, X, labels=labels, samples=5, device="cpu")
    assert written["Tensor"].classes == ("0", "1")


def test_floats_of_another_range_are_read_in_that_of_the_run(run):
    model = sslp.load(run.folder)
    less = data_of(model, X - 0.1)
    assert less.grid == model.grid and less.train[[0]].x.min() < 0
    with pytest.warns(UserWarning, match="trained on values from 0 to 1, and these go from .*: bring them into this"):
        data_of(model, 255 * X)
    with pytest.raises(ValueError, match=r"the model takes samples of \(8, 8\) .* gives \(8, 9\)"):
        data_of(model, torch.rand(60, 1, 8, 9))
    with pytest.raises(ValueError, match=r"data has no option .spilt"):
        data_of(model, X, {"data.spilt": 1})


def test_transforms_at_random_do_not_keep_a_run_from_going_on(tmp_path):
    class AtRandom(Dataset):
        def __len__(self):
            return 60

        def __getitem__(self, number):
            return X[number] + 2 * torch.rand(1)

    first = sslp.pretrain(AtRandom(), steps=1, batch_size=16, output=tmp_path / "run", options=QUICK)
    options = QUICK | {"resume": str(first.folder)}
    assert sslp.pretrain(AtRandom(), steps=2, batch_size=16, options=options).summary["steps"] == 2


def test_a_word_is_a_name_first_and_a_path_is_a_folder(tmp_path, monkeypatch):
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path)
    assert path_of_data("digits") is None
    assert path_of_data("./digits") == path_of_data(Path("digits")) == Path("digits")
    with pytest.raises(ValueError, match=r"neither a folder or table nor a data set of the name 'digit'; .*digits"):
        path_of_data("digit")
    with pytest.raises(FileNotFoundError, match="there is no 'no/such': give a folder, a table or"):
        path_of_data("no/such")


def test_none_among_the_options_is_null(tmp_path):
    run = sslp.pretrain(
        [{"x": x, "label": 1} for x in X], "byol", steps=1, batch_size=16, output=tmp_path / "run",
        options=QUICK | {"teacher": None, "data.label": None, "objective": "reconstruct"},
    )  # fmt: skip
    assert run.model.config["teacher"] is run.model.config["data"]["label"] is None


def test_a_run_goes_on_with_its_data_as_if_it_had_not_stopped(run, tmp_path):
    options = QUICK | {"resume": str(run.folder)}
    whole = sslp.pretrain(X, steps=6, batch_size=16, output=tmp_path / "whole", options=QUICK)
    rest = sslp.pretrain(X, steps=6, batch_size=16, options=options)
    assert rest.folder == run.folder and rest.summary["steps"] == 6
    ours, theirs = rest.model.graph.state_dict(), whole.model.graph.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    with pytest.raises(
        ValueError, match=r"from the run that is resumed \(data.description was tensor \(60, 1, 8, 8\)\)"
    ):
        sslp.pretrain(X[:50], steps=9, options=options)


@pytest.mark.parametrize(
    ("data", "encoder"),
    [
        (torch.randint(0, 20, (60, 16)), "vit"),
        (torch.randn(60, 10), "vit"),
        (torch.rand(60, 1, 64) - 0.5, "conv"),
        ([(x, n % 2) for n, x in enumerate(X)], "conv"),
    ],
    ids=["symbols", "features", "sound", "items"],
)
def test_models_suit_what_is_passed(data, encoder, tmp_path):
    run = sslp.pretrain(data, steps=1, batch_size=16, output=tmp_path / "run", options=QUICK)
    assert run.model.config["encoder"]["type"] == encoder and run.summary["steps"] == 1


def test_a_loader_says_the_batch_size_unless_one_is_named(tmp_path):
    loader = DataLoader(TensorDataset(X), batch_size=20)
    run = sslp.pretrain(loader, steps=1, output=tmp_path / "run", options=QUICK)
    other = sslp.pretrain(loader, steps=1, batch_size=10, output=tmp_path / "other", options=QUICK)
    assert (run.model.config["batch_size"], other.model.config["batch_size"]) == (20, 10)


def test_a_module_of_lightnings_has_its_own_test_part(tmp_path):
    class Module(lightning.LightningDataModule):
        def train_dataloader(self):
            return DataLoader(TensorDataset(X, torch.arange(60) % 2), 16)

        def val_dataloader(self):
            return DataLoader(TensorDataset(X[:20], torch.arange(20) % 2), 16)

    run = sslp.pretrain(Module(), "simclr", steps=1, output=tmp_path / "run", options=QUICK)
    assert run.model.config["samples"] == 60 and run.model.views == ("crop_1", "crop_2")


def test_labels_belong_to_what_is_passed():
    with pytest.raises(ValueError, match="labels= belong to data that is passed itself, and data='digits' has its own"):
        sslp.pretrain("digits", labels=[1, 2])


def test_a_method_among_the_options_decides_the_views(tmp_path):
    options = QUICK | {"experiment": "mae"}
    run = sslp.pretrain("digits", steps=1, output=tmp_path / "run", options=options)
    assert run.model.views == ("mask",) and list(run.model.config["objective"]) == ["patchnorm"]


@pytest.mark.slow
def test_the_example_of_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (example,) = (text for text in blocks(ROOT / "docs/python.md", "python") if "labels=" in text)
    found = {}
    exec(example.replace("steps=100", "steps=2"), found)
    assert len(found["z"]) == 200 and "knn" in found["run"].summary


@pytest.mark.slow
@pytest.mark.parametrize("data", ["pydoc", "mixed", "pendulum", "arithmetic", "moving_digits", "tones", "captioned"])
def test_every_kind_of_data_trains_without_further_words(data, tmp_path):
    small = ["trainer.max_steps=2", "probe=none", "batch_size=8", f"hydra.run.dir={tmp_path}/run"]
    done = command(f"data={data}", *small)
    assert done.returncode == 0, done.stderr
