"""The stages of a run, each done again by itself from the run's folder."""

from __future__ import annotations

import inspect
import json
import shutil

import pytest
import torch
from helpers.runs import configured

from ssl_pipeline.config.resume import again
from ssl_pipeline.inference.weights import read_weights
from ssl_pipeline.training import run, stages
from ssl_pipeline.training.run_dir import UNFINISHED
from ssl_pipeline.training.stages import evaluate_run, open_run, report_run

TIMES = ("corrupted_seen", "seconds", "samples_per_s", "data_wait", "memory_gb", "probe_seconds")


def scores(summary):
    return {key: value for key, value in summary.items() if key not in TIMES}


def test_evaluation_and_report_are_done_again_from_the_folder(finished, capsys):
    folder, summary = finished
    opened = open_run(folder)
    for name, value in read_weights(folder).items():
        assert torch.equal(opened.graphs.module.state_dict()[name].cpu(), value), name
    again = evaluate_run(opened)
    assert scores(again) == pytest.approx(scores(summary), abs=0.2)
    assert json.loads((folder / "summary.json").read_text()) == again
    report_run(opened)
    assert "probes of frozen features" in capsys.readouterr().out


def test_the_tables_are_printed_before_the_page_is_drawn(finished, capsys, monkeypatch):
    opened = open_run(finished[0])
    opened.config["report"]["page"] = True

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("ssl_pipeline.training.stages.report.write_report", stopped)
    with pytest.raises(KeyboardInterrupt):
        report_run(opened)
    assert "probes of frozen features" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("bound", "place"),
    [
        ("trainer.max_steps=6", "score_graph"),
        pytest.param("trainer.max_time=1", "score_graph", marks=pytest.mark.slow),
        ("trainer.max_steps=6", "write_samples"),
    ],
)
def test_an_interrupted_evaluation_is_resumed(bound, place, tmp_path, monkeypatch):
    config = configured(bound, "trainer.max_epochs=-1", "probe.protocol.few_shot=0", "probe=clean")

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(f"ssl_pipeline.training.stages.evaluate.{place}", killed)
    with pytest.raises(KeyboardInterrupt):
        run(config, str(tmp_path))
    monkeypatch.undo()
    left = json.loads((tmp_path / "summary.json").read_text())
    assert left["evaluated"] is False and left["interrupted"] and "knn" not in left
    weights = read_weights(tmp_path)
    summary = run(again(config | {"resume": str(tmp_path)}), "elsewhere")
    assert summary["knn"] > 20 and "evaluated" not in summary and (tmp_path / "samples").is_dir()
    assert {key: summary[key] for key in ("steps", "loss", "seconds")} == {
        key: left[key] for key in ("steps", "loss", "seconds")
    }
    assert all(torch.equal(value, weights[name]) for name, value in read_weights(tmp_path).items())


@pytest.mark.parametrize("trained", [False, True])
def test_an_interrupted_training_is_never_said_to_be_whole(trained, finished, tmp_path, monkeypatch):
    folder = shutil.copytree(finished[0], tmp_path / "run")
    left = {"name": "train", "steps": 4, **UNFINISHED, "trained": trained}
    (folder / "summary.json").write_text(json.dumps(left))
    for name, instead in (("score_graph", lambda *_: {"knn": 50.0}), ("write_samples", lambda *_: None)):
        monkeypatch.setattr(f"ssl_pipeline.training.stages.evaluate.{name}", instead)
    opened = open_run(folder)
    for _ in range(2):
        assert evaluate_run(opened) == {"name": "train", "steps": 4, "interrupted": not trained, "knn": 50.0}


@pytest.mark.slow
def test_an_unevaluated_run_may_be_trained_on(tmp_path, monkeypatch):
    config = configured("trainer.max_steps=3", "probe.protocol.few_shot=0", "probe=clean")
    monkeypatch.setattr("ssl_pipeline.training.stages.evaluate.score_graph", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(config, str(tmp_path))
    monkeypatch.undo()
    longer = configured("trainer.max_steps=5", "probe.protocol.few_shot=0", "probe=clean") | {"resume": str(tmp_path)}
    assert run(again(longer), "elsewhere")["steps"] == 5


def test_a_stage_is_short():
    for stage in (stages.prepare_run, stages.fit_run, stages.evaluate_run, stages.report_run):
        assert len(inspect.getsource(stage).splitlines()) < 40, stage.__name__
