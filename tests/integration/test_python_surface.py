"""What Python offers: names, methods, and a graph by hand in anyone's loop."""

from __future__ import annotations

import os
from datetime import datetime

import lightning
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import ssl_pipeline as sslp
from ssl_pipeline import api
from ssl_pipeline.data.loaders import as_batch, spec_of
from ssl_pipeline.utils.claims import held

QUICK = {"probe": "none", "report.page": False, "hardware": "cpu", "diagnostics.every": 0}
QUIET = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}


def test_every_public_name_is_there():
    assert dir(sslp) == sorted(sslp.__all__) and len(dir(sslp)) > 50
    assert all(getattr(sslp, name) is not None for name in dir(sslp))
    with pytest.raises(AttributeError, match="no attribute 'Maks'"):
        sslp.Maks  # noqa: B018


def test_the_lists_name_what_the_command_line_takes():
    assert {"mae", "simclr", "dag", "protected"} <= {*sslp.list_methods()}  # the last one comes with a plug-in
    assert {"mask", "noise"} <= {*sslp.list_corruptions()} and "none" not in sslp.list_objectives()
    assert "vit" in sslp.list_encoders() and "adamw" in sslp.list_optimizers() and "digits" in sslp.list_data()


def test_a_method_is_what_it_says(tmp_path):
    run = sslp.pretrain("digits", "simclr", steps=2, output=tmp_path / "run", options=QUICK)
    assert run.model.views == ("crop_1", "crop_2") and run.summary["steps"] == 2
    assert f"2 steps, {run.summary['seconds']:.0f} s, loss {run.summary['loss']:.4g}" in repr(run)
    assert "loss" in run._repr_html_() and "<table>" not in run._repr_html_()  # without probes
    asked = QUICK | {"experiment": "simclr", "trainer.max_steps": 2}
    assert sslp.pretrain("digits", output=tmp_path / "other", options=asked).model.views == run.model.views
    with pytest.raises(ValueError, match="experiment is named twice, as an argument and in options"):
        sslp.pretrain("digits", "mae", output=tmp_path / "third", options=asked)


def test_an_encoder_of_timms_by_name(tmp_path):
    run = sslp.pretrain("digits", "simclr", encoder="resnet10t", steps=1, output=tmp_path / "run", options=QUICK)
    assert type(run.model.graph.encoder).__name__ == "TimmBackbone"


def graph(**options):
    parts = {"encoder": sslp.ViT(width=24, depth=1), "objective": sslp.Reconstruction()} | options
    return sslp.Graph({"mask": sslp.Mask(ratio=0.75), "noise": sslp.Noise()}, **parts)


@pytest.mark.parametrize(
    "data",
    [
        torch.rand(64, 1, 8, 8),
        TensorDataset(torch.randint(256, (64, 3, 8, 8), dtype=torch.uint8), torch.arange(64) % 4),
        [{"pixel_values": x, "labels": 1} for x in torch.rand(64, 1, 8, 8)],
        torch.rand(64, 1, 32) * 2 - 1,
    ],
    ids=["tensor", "tuples", "dictionaries", "sound"],
)
def test_a_graph_by_hand_trains_on_any_loader(data):
    module = sslp.PretrainModule(graph(), optimizer=sslp.AdamW(lr=1e-3))
    loader = DataLoader(data, batch_size=32)
    lightning.Trainer(max_epochs=2, accelerator="cpu", **QUIET).fit(module, loader)
    x = as_batch(next(iter(loader))).x
    assert module.graph.is_bound and sslp.Inference(module.graph).embed(x).shape == (32, 24)


def test_a_module_can_be_subclassed():
    class Doubled(sslp.PretrainModule):
        def training_step(self, batch, batch_idx):
            losses = super().training_step(batch, batch_idx)
            self.seen = {"loss": 2 * losses["loss"]}
            return self.seen

    module = Doubled(graph())
    lightning.Trainer(max_steps=2, accelerator="cpu", **QUIET).fit(module, DataLoader(torch.rand(64, 1, 8, 8), 32))
    assert module.seen["loss"] > 0


def test_binding_again_makes_a_twin():
    plain, spec = graph(), sslp.DataSpec(sslp.GridSpec.of(("y", 8), ("x", 8), channels=1))
    torch.manual_seed(0)
    one = plain.bind(spec)
    torch.manual_seed(0)
    other = plain.bind(spec)
    assert not plain.is_bound and all(map(torch.equal, one.parameters(), other.parameters()))
    assert one.encoder is not other.encoder


@pytest.mark.parametrize(
    ("batch", "sentence"),
    [
        ({"text": ["a"]}, "expected samples under one of x, image.* got text"),
        ("abc", "expected a tensor, a tuple that begins with one"),
    ],
)
def test_other_batches_are_refused(batch, sentence):
    with pytest.raises(ValueError, match=sentence):
        as_batch(batch)


@pytest.mark.parametrize(
    ("batches", "sentence"),
    [
        ([], "expected a loader of batches, got none"),
        ([torch.randint(5, (4, 8))], r"bytes or floats .* got \(4, 8\) torch.int64: bind the graph"),
        ([torch.full((4, 1, 8), torch.nan)], "expected finite samples"),
    ],
)
def test_what_no_grid_can_be_read_from_is_refused(batches, sentence):
    with pytest.raises(ValueError, match=sentence):
        spec_of(batches)


def test_runs_of_one_second_have_folders_of_their_own(tmp_path, monkeypatch):
    class Stopped(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 1, 1)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(api, "datetime", Stopped)
    quick = {"probe": "none", "report.page": False, "hardware": "cpu"}
    runs = [sslp.pretrain("digits", corruption="noise", steps=1, options=quick) for _ in range(2)]
    assert [run.folder.name for run in runs] == ["2026-01-01_00-00-00", "2026-01-01_00-00-00_2"]
    assert all((run.folder / "summary.json").is_file() for run in runs)
    with held(runs[0].folder), pytest.raises(ValueError, match=f"in use by process {os.getpid()} on "):
        sslp.pretrain("digits", steps=2, options=quick | {"resume": str(runs[0].folder)})
    with pytest.raises(ValueError, match="neither a folder"):
        sslp.pretrain("nothing")
    assert len([*(tmp_path / "outputs/pretrain").iterdir()]) == 2
