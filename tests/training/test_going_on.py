"""Runs that were ended by a signal or by numbers that are none, and those that have nothing left to do."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal

import pytest
import torch
from helpers.runs import QUICK, SMALL, TINY, step_of

from ssl_pipeline.cli import main as cli
from ssl_pipeline.config.compose import compose
from ssl_pipeline.inference.weights import read_weights
from ssl_pipeline.training import run
from ssl_pipeline.training.callbacks import Clock, Metrics
from ssl_pipeline.training.module import PretrainModule
from ssl_pipeline.utils.checkpoints import DIVERGED, LAST, PREVIOUS, checkpoint_error
from ssl_pipeline.utils.errors import Interrupted

WORDS = [*SMALL, *QUICK, "probe.baselines=false", "report.page=false", "trainer.max_steps=3", "hardware=cpu"]


def summary_of(folder):
    return json.loads((folder / "summary.json").read_text())


def killing(original, number):
    def method(*args, **kwargs):
        os.kill(os.getpid(), number)
        return original(*args, **kwargs)

    return method


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("ssl_pipeline.training.stages.evaluate.score_graph", "interrupted in the evaluation, the training is over"),
        pytest.param(Clock, "interrupted at step 3", marks=pytest.mark.slow),  # its `on_train_end`
        pytest.param(Metrics, "interrupted at step 3", marks=pytest.mark.slow),
    ],
    ids=["in the probes", "behind the last step", "in the last step"],
)
def test_a_signal_at_the_end_is_obeyed_and_the_evaluation_resumed(place, said, tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        if isinstance(place, str):
            patch.setattr(place, killing(lambda *_: {}, signal.SIGTERM))
        elif place is Clock:
            patch.setattr(Clock, "on_train_end", killing(Clock.on_train_end, signal.SIGTERM))
        else:
            original = Metrics.on_train_batch_end

            def in_the_last(self, trainer, *args):
                if trainer.global_step == 3:
                    os.kill(os.getpid(), signal.SIGTERM)
                original(self, trainer, *args)

            patch.setattr(Metrics, "on_train_batch_end", in_the_last)
        with pytest.raises(Interrupted) as stop:
            run(compose(WORDS), str(tmp_path))
    assert stop.value.code == 143 and said in (out := capsys.readouterr().out) and "go on with: resume=" in out
    left = summary_of(tmp_path)
    assert left["interrupted"] and "knn" not in left and left["steps"] == 3
    summary = run(compose([f"resume={tmp_path}"]), "")
    assert summary["knn"] > 0 and summary["interrupted"] is False and "evaluated" not in summary_of(tmp_path)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


AUTO = [*TINY, "hardware=cpu", "trainer.max_steps=1", "resume=auto"]
DONE = "nothing to do: the run is at step 1 and its bound is step 1: raise trainer.max_steps"


def test_auto_leaves_a_finished_run_as_it_is(tmp_path, capsys):
    for said in (0, 1):
        assert cli.main(["train", *AUTO, f"hydra.run.dir={tmp_path}/run"]) == 0
        assert capsys.readouterr().out.count(DONE) == said
    assert cli.main(["train", f"resume={tmp_path}/run"]) == 1


@pytest.mark.slow
def test_auto_runs_what_is_left_of_a_sweep(tmp_path, capsys):
    for said in (0, 1):
        assert cli.main(["train", "--multirun", *AUTO, "seed=0,1", f"hydra.sweep.dir={tmp_path}"]) == 0
        assert capsys.readouterr().out.count(DONE) == said
        shutil.rmtree(tmp_path / "1") if not said else None
    assert summary_of(tmp_path / "1")["interrupted"] is False


def changing(step, change):
    """An optimiser's step that changes the weights afterwards."""
    original = PretrainModule.optimizer_step

    def optimizer_step(self, *args, **kwargs):
        original(self, *args, **kwargs)
        if self.trainer.global_step == step - 1:
            for parameter in self.parameters():
                change(parameter.data)

    return optimizer_step


def test_what_the_message_of_a_divergence_says_works(tmp_path, monkeypatch, capsys):
    """The last checkpoint's weights are finite and of no use, so the one before it is the last good one."""
    words = [*TINY, "trainer.max_steps=6", "checkpoint.every_n_steps=1", "trainer.gradient_clip_val=null"]
    with monkeypatch.context() as patch:
        patch.setattr(PretrainModule, "optimizer_step", changing(3, lambda weights: weights.mul_(1e30)))
        with pytest.raises(
            ValueError, match=r"the loss is \w+ at step 4 .*go on from it with resume=.* and lower"
        ) as no:
            run(compose([*words, "hardware=cpu", "hardware.precision=32-true", "optimizer.lr=1"]), str(tmp_path))
    assert f"with the last checkpoint, which is now {DIVERGED}, and the one before it is good" in str(no.value)
    assert [step_of(tmp_path / "checkpoints" / name) for name in (LAST, DIVERGED)] == [2, 3]
    assert summary_of(tmp_path)["interrupted"]
    capsys.readouterr()
    other = ["optimizer.lr=1e-4", "trainer.gradient_clip_val=1.0", "hardware.precision=bf16-mixed"]
    assert run(compose([f"resume={tmp_path}", *other]), "")["steps"] == 6
    said = capsys.readouterr()
    assert "goes on with optimizer.lr=0.0001 (it was 1" in said.err and "after step 2" in said.out
    assert "trainer.gradient_clip_val=1.0 (it was None)" in said.err and "hardware.precision=bf16-mixed" in said.err


def test_weights_that_are_no_numbers_are_not_saved(tmp_path, monkeypatch):
    spoiling = changing(4, lambda weights: weights.fill_(float("nan")))
    monkeypatch.setattr(PretrainModule, "optimizer_step", spoiling)
    with pytest.raises(ValueError, match=r"step 4 leaves graph\.\S+ with values that are no numbers.*last good check"):
        run(compose([*TINY, "trainer.max_steps=6", "checkpoint.every_n_steps=2"]), str(tmp_path))
    assert step_of(tmp_path / "checkpoints" / LAST) == 2 and not (tmp_path / "checkpoints" / PREVIOUS).exists()
    assert all(torch.isfinite(value).all() for value in read_weights(tmp_path).values())


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("pwned",)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda found: found | {"more": Malicious()}, "holds more than tensors and plain values, so it is not loaded"),
        (lambda found: found["state_dict"]["graph.w"].fill_(float("nan")) is None or found, r"no numbers \(graph.w\)"),
        (lambda found: {"state_dict": {}}, "is no checkpoint of a run, for it has no global_step"),
    ],
    ids=["code", "nan", "other"],
)
def test_a_checkpoint_that_is_no_good_is_not_gone_on_from(change, why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = {"global_step": 1, "state_dict": {"graph.w": torch.ones(2)}}
    torch.save(content, tmp_path / LAST)
    assert checkpoint_error(tmp_path / LAST) is None
    torch.save(change(content), tmp_path / LAST)
    found = checkpoint_error(tmp_path / LAST)
    assert found is not None and re.search(why, found) and "weights_only" not in found
    assert not (tmp_path / "pwned").exists()
