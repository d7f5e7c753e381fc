"""Loggers: what they show of samples and of waiting, and what is said where one is missing."""

from __future__ import annotations

import time

import pytest
from helpers.reports import KINDS, TINY

from ssl_pipeline.config.compose import compose
from ssl_pipeline.training import run
from ssl_pipeline.training.profiler import Waiting


def test_waiting_counts_the_loader_alone():
    waiting = Waiting()
    for action, seconds in (("[_TrainingEpochLoop].train_dataloader_next", 0.05), ("optimizer_step", 0.15)):
        waiting.start(action)
        time.sleep(seconds)
        waiting.stop(action)
    assert 0.05 <= waiting.seconds < 0.1 + 0.05


@pytest.mark.parametrize("kind", ["images", "sounds"])
def test_tensorboard_shows_samples(kind, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(compose([*TINY, *KINDS[kind], "report.page=false"]), str(tmp_path / "run"))
    events = EventAccumulator(str(tmp_path / "run/tensorboard"))
    events.Reload()
    tags = events.Tags()["images" if kind == "images" else "audio"]
    assert {"samples/0_clean", "samples/0_noise_restored"} <= set(tags)
    assert {"loss", "data_wait", "memory_gb", "diagnostics/least_share"} <= set(events.Tags()["scalars"])


@pytest.mark.parametrize(("name", "module"), [("wandb", "wandb"), ("mlflow", "mlflow")])
def test_other_loggers(name, module, tmp_path, monkeypatch):
    pytest.importorskip(module)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    offline = ["logger.offline=true"] if name == "wandb" else []
    words = [*TINY, *KINDS["images"], "report.page=false", "probe=none", f"logger={name}", *offline]
    run(compose(words), str(tmp_path / "run"))
    kept = {path.name for path in (tmp_path / "run").rglob("*")}
    assert "mlflow.db" in kept if name == "mlflow" else any(file.startswith("run-") for file in kept)
    if name == "mlflow":
        assert len([*(tmp_path / "run/mlruns").rglob("0_noise_restored.png")]) == 1


def test_a_logger_that_is_not_there_is_said_before_data_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("ssl_pipeline.training.loggers.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"logger=wandb needs wandb: pip install 'ssl_pipeline\[wandb\]'"):
        run(compose(["logger=wandb", "data=folder", f"data.root={tmp_path}/nowhere"]), str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()
