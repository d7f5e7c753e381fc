"""Runs that are stopped go on as if they had not been."""

from __future__ import annotations

import json
import os
import signal

import datasets
import numpy as np
import pytest
import torch
from helpers.paths import ROOT
from helpers.runs import SMALL, configured

from ssl_pipeline.config.compose import compose
from ssl_pipeline.inference.weights import read_weights
from ssl_pipeline.training import run
from ssl_pipeline.training.callbacks import Metrics


@pytest.mark.parametrize("encoder", ["conv", pytest.param("vit", marks=pytest.mark.slow)])
def test_interrupted_and_resumed_equals_uninterrupted(encoder, tmp_path, monkeypatch):
    vit = [
        "encoder=vit",
        "encoder.width=24",
        "encoder.depth=1",
        "encoder.heads=2",
        "encoder.drop_path=0.2",
        "decoder=cross_attention",
    ]
    options = ["trainer.max_epochs=3", "checkpoint.every_n_steps=1000", "probe=none"]
    options += ["batch_size=128", "corruption=mask+noise", *(vit if encoder == "vit" else SMALL)]
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    run(compose(options), str(whole))
    original = Metrics.on_train_batch_end

    def press_ctrl_c(self, trainer, *args):
        original(self, trainer, *args)
        if trainer.global_step == 16:  # the fifth step of the second epoch of eleven
            os.kill(os.getpid(), signal.SIGINT if encoder == "conv" else signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Metrics, "on_train_batch_end", press_ctrl_c)
        with pytest.raises(KeyboardInterrupt):
            run(compose(options), str(parted))
    assert json.loads((parted / "summary.json").read_text())["interrupted"] is True
    summary = run(compose([*options, f"resume={parted}"]), str(parted))
    assert summary["steps"] == 33 and summary["interrupted"] is False
    expected, got = read_weights(whole), read_weights(parted)
    for name, value in expected.items():
        assert torch.equal(value, got[name]), name


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_stream_that_is_interrupted_goes_on_where_it_was(workers, tmp_path):
    """In the middle of its second epoch of five steps; three files are read by turns and shuffled in a buffer."""
    for part in range(3):
        images = [np.full((8, 8), 10 * part + i, np.uint8) for i in range(14)]
        rows = datasets.Dataset.from_dict({"image": images}, features=datasets.Features({"image": datasets.Image()}))
        rows.to_parquet(str(tmp_path / f"{part}.parquet"))
    files = f"data.data_files={tmp_path}/*.parquet"
    words = [*SMALL, "data=hf", "data.path=parquet", files, "data.streaming=true", "data.label=null", "data.size=8"]
    words += ["data.channels=1", "data.buffer=10", "batch_size=8", "probe=none", f"hardware.workers={workers}"]
    words += ["optimizer.warmup=0", "optimizer.final=1", "report.page=false"]
    run(compose([*words, "trainer.max_steps=12"]), str(tmp_path / "whole"))
    run(compose([*words, "trainer.max_steps=7"]), str(tmp_path / "parted"))
    run(compose([f"resume={tmp_path}/parted", "trainer.max_steps=12"]), "elsewhere")
    expected, got = read_weights(tmp_path / "whole"), read_weights(tmp_path / "parted")
    assert all(torch.equal(value, got[name]) for name, value in expected.items())
    run(compose([*words, "trainer.max_steps=12", "seed=1"]), str(tmp_path / "other"))
    assert not all(torch.equal(value, read_weights(tmp_path / "other")[name]) for name, value in expected.items())


def test_a_checkpoint_on_the_way_resumes_exactly_too(tmp_path):
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    run(configured("trainer.max_steps=14", "probe=none", "optimizer.warmup=0", "optimizer.final=1"), str(whole))
    for steps in (9, 14):
        resume = [] if steps == 9 else [f"resume={parted}"]
        options = [f"trainer.max_steps={steps}", "checkpoint.every_n_steps=9", "probe=none", "optimizer.warmup=0"]
        run(configured(*options, "optimizer.final=1", *resume), str(parted))
    for name, value in read_weights(whole).items():
        assert torch.equal(value, read_weights(parted)[name]), name


@pytest.mark.slow
def test_a_finished_run_goes_on_with_a_larger_bound(tmp_path):
    """The checkpoint lies on the last step of an epoch, which Lightning counts in a way of its own."""
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    options = ["probe=none", "optimizer.warmup=0", "optimizer.final=1"]
    run(configured("trainer.max_epochs=4", *options), str(whole))
    run(configured("trainer.max_epochs=2", *options), str(parted))
    summary = run(configured("trainer.max_epochs=4", *options, f"resume={parted}"), "elsewhere")
    assert summary["steps"] == 44
    for name, value in read_weights(whole).items():
        assert torch.equal(value, read_weights(parted)[name]), name


def test_resume_of_a_run_that_is_done_writes_nothing(finished):
    before = {path: path.read_bytes() for path in finished[0].glob("*.*")}
    with pytest.raises(ValueError, match=r"at step 25 and its bound is step 25: raise trainer.max_steps"):
        run(compose([f"resume={finished[0]}"]), "elsewhere")
    assert before == {path: path.read_bytes() for path in finished[0].glob("*.*")}


def test_resume_refuses_to_train_something_else(finished):
    folder, _ = finished
    with pytest.raises(ValueError, match=r"corruption.noise.sigma=0.7 differs from the run that is resumed.*init_from"):
        compose([f"resume={folder}", "corruption.noise.sigma=0.7"])
    config = compose([f"resume={folder}", "trainer.max_steps=40", "batch_size=128"])
    assert config["trainer"]["max_steps"] == 40
    assert config["encoder"]["widths"] == [8, 16]
    with pytest.raises(FileNotFoundError, match="no run's folder"):
        compose([f"resume={ROOT}"])


def test_a_table_goes_on_with_the_scales_and_the_columns_of_its_run(tmp_path):
    rows = [f"{n % 7},{n % 5 + 0.5},{-n}" for n in range(40)]
    file, folder = tmp_path / "table.csv", tmp_path / "run"
    file.write_text("\n".join(["a,b,c", *rows]))
    words = ["data=csv", f"data.root={file}", "batch_size=16", "probe=none", "report.page=false", "hardware=cpu"]
    run(compose([*words, "trainer.max_steps=1", "trainer.max_epochs=-1"]), str(folder))
    saved = (folder / "codecs.json").read_text()
    file.write_text("\n".join(["a,b,c", "3,2.5,0", *rows[1:]]))
    run(compose([f"resume={folder}", "trainer.max_steps=2"]), str(folder))
    assert (folder / "codecs.json").read_text() == saved
    file.write_text("\n".join(["c,b,a", *rows]))
    with pytest.raises(ValueError, match="the model learnt from the columns a, b, c"):
        run(compose([f"resume={folder}", "trainer.max_steps=3"]), str(folder))
