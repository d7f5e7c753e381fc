"""The page of a run: one file that needs no other, of finished, interrupted and killed runs on any kind of data."""

from __future__ import annotations

import html
import json
import re
import shutil

import pytest
import torch
from helpers.build import build
from helpers.reports import KINDS, TINY, checked
from helpers.small_models import CONV

from ssl_pipeline import load
from ssl_pipeline.cli import main as cli
from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import digits
from ssl_pipeline.report import write_report
from ssl_pipeline.training import run
from ssl_pipeline.training.callbacks import StopOnSignal

pytestmark = pytest.mark.page


def test_a_page_of_images(images):
    text = checked(images / "report.html")
    for title in ("Results", "The graph", "Samples", "The latent space", "The training", "Diagnostics"):
        assert f"<h2>{title}</h2>" in text
    summary = json.loads((images / "summary.json").read_text())
    assert all(re.search(rf"<td[^>]*>{summary[key]:.1f}</td>", text) for key in ("knn", "knn_raw", "knn_balanced"))
    best = max(summary[key] for key in ("knn", "knn_raw", "knn_untrained"))
    assert f'<td class="best">{best:.1f}</td>' in text and "raw input in" in text and "its untrained twin in" in text
    for what in ("What passes the encoder, mask", "What passes decoders and heads", "Steps of the weights"):
        assert f"<h3>{what}</h3>" in text
    assert "Losses at the encoder" in text and "Probes on the way" in text and "interrupted" not in text
    assert text.count("data:image/png") == 6  # of each view a sheet and the two pictures of a slider
    assert {"data_wait", "memory_gb", "samples_per_s"} <= summary.keys()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sounds", "waves", "texts"])
def test_a_page_of_other_kinds_of_data(kind, tmp_path):
    run(compose([*TINY, *KINDS[kind]]), str(tmp_path / "run"))
    text = checked(tmp_path / "run/report.html")
    if kind == "texts":
        assert "<del>" in text and '<dl class="text">' in text and "data:image/png" not in text
    else:
        views = 2 if kind == "sounds" else 1
        assert text.count("<audio controls") == views * 3 * 3 == text.count("data:audio/wav")


@pytest.mark.slow
def test_a_page_of_several_kinds_of_data(tmp_path):
    sets = ["experiment=mixed", "encoder.width=16", "encoder.depth=1", "encoder.heads=2", "decoder.width=16"]
    run(compose([*TINY, *sets, "decoder.depth=1", "decoder.heads=2"]), str(tmp_path / "run"))
    text = checked(tmp_path / "run/report.html")
    assert text.count("<svg") == text.count("<h2>The graph</h2>") == 3
    assert "<h1>digits</h1>" in text and "<h1>tones</h1>" in text


def test_a_page_of_an_interrupted_run(tmp_path, monkeypatch):
    start = StopOnSignal.on_train_start

    def stopping(self, trainer, module):
        start(self, trainer, module)
        self.heard = 2

    monkeypatch.setattr(StopOnSignal, "on_train_start", stopping)
    with pytest.raises(KeyboardInterrupt):
        run(compose([*TINY, *KINDS["images"]]), str(tmp_path / "run"))
    text = checked(tmp_path / "run/report.html")
    assert "This run was interrupted" in text and "<h2>Samples</h2>" in text and "<h2>Results</h2>" not in text


@pytest.mark.slow
def test_an_alarm_that_ends_a_run_stands_in_its_page(tmp_path):
    words = ["corruption=crop+crop", "objective=reconstruct+info_nce", "objective.info_nce.weight=1e-9"]
    words += ["encoder.norm=group"]  # statistics of such a small batch are next to an alarm themselves
    with pytest.raises(ValueError, match=r"step 4: info_nce.*teaches the encoder nothing.*resume="):
        run(compose([*TINY, *CONV, *words, "diagnostics.on_alarm=stop"]), str(tmp_path / "run"))
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["interrupted"] and summary["alarms"][0].startswith("step 4: info_nce/crop_1~crop_2 teaches")
    assert html.escape(summary["alarms"][0]) in checked(tmp_path / "run/report.html")


@pytest.mark.slow
def test_the_page_is_made_again_from_the_folder(images, tmp_path, capsys):
    killed = shutil.copytree(images, tmp_path / "killed")
    for name in ("report.html", "summary.json"):
        (killed / name).unlink()
    with (killed / "metrics.csv").open("a") as file:
        file.write("8,loss,0.")  # it was writing
    assert cli.main(["report", f"run={killed}", "samples=40"]) == 0
    text = checked(killed / "report.html")
    assert "This run was interrupted" in text and "Diagnostics" in text
    assert cli.main(["report", f"run={tmp_path}"]) == 1 and "error: " in capsys.readouterr().err


def test_a_page_that_fails_takes_nothing_from_the_run(tmp_path, monkeypatch, capsys):
    def broken(*_, **__):
        raise RuntimeError("no ink")

    monkeypatch.setattr("ssl_pipeline.training.stages.report.write_report", broken)
    summary = run(compose([*TINY, *KINDS["images"]]), str(tmp_path / "run"))
    assert summary["steps"] == 6 and load(tmp_path / "run").views == ("mask", "noise")
    assert "there is no report.html (RuntimeError: no ink)" in capsys.readouterr().err
    monkeypatch.undo()
    run(compose([*TINY, *KINDS["images"], "report.page=false"]), str(tmp_path / "without"))
    assert not (tmp_path / "without/report.html").exists()


@pytest.mark.parametrize("words", [["report.map=tsne"], ["report.samples=1"], ["report.page=maybe"]])
def test_a_wrong_setting_is_refused(words):
    with pytest.raises(ValueError, match="report"):
        compose(words)


def test_a_map_that_needs_a_package(tmp_path, monkeypatch):
    monkeypatch.setattr("ssl_pipeline.training.plan.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="umap-learn"):
        run(compose(["report.map=umap"]), str(tmp_path / "run"))


def test_a_page_of_a_collapsed_graph(tmp_path):
    graph = build(compose([*CONV, "corruption=mask+noise"]), digits().grid)
    with torch.no_grad():
        for weight in graph.encoder.parameters():
            weight.zero_()
    text = checked(write_report(tmp_path, {"digits": graph}, {"digits": digits()}, samples=30))
    assert "The embeddings do not vary" in text and "<h2>Samples</h2>" in text


def test_a_killed_sitting_is_told_from_a_finished_run(images, tmp_path, monkeypatch):
    folder = shutil.copytree(images, tmp_path / "run")

    def killed(*_, **__):
        raise RuntimeError("killed")

    monkeypatch.setattr("ssl_pipeline.training.module.PretrainModule.training_step", killed)
    with pytest.raises(RuntimeError, match="killed"):
        run(compose([f"resume={folder}", "trainer.max_steps=9"]), str(folder))
    assert json.loads((folder / "summary.json").read_text()) == {
        "name": "train",
        "steps": 6,
        "interrupted": True,
        "trained": False,
        "evaluated": False,
    }
