"""Steps of several micro-batches."""

from __future__ import annotations

import json

import lightning as L
import pytest
import torch

import ssl_pipeline as sslp
from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import digits
from ssl_pipeline.data.memory import MemoryDataset
from ssl_pipeline.data.sampling import EpochOrder, train_loader
from ssl_pipeline.inference.weights import read_weights
from ssl_pipeline.training import run

WORDS = [
    "encoder=vit",
    "encoder.width=16",
    "encoder.depth=1",
    "encoder.heads=2",
    "encoder.view_drop=0",
    "batch_size=64",
]
WORDS += ["decoder=cross_attention", "decoder.width=16", "decoder.depth=1", "decoder.heads=2", "hardware=cpu"]
WORDS += ["hardware.precision=32-true", "diagnostics.every=0", "probe=none", "report.page=false"]
SAME = ["corruption=lowres", "objective.reconstruct.share=1"]  # nothing in it is random
STEADY = ["optimizer.warmup=0", "optimizer.final=1"]
HALVES = "trainer.accumulate_grad_batches=2"


def trained(folder, *words):
    run(compose([*WORDS, *words]), str(folder))
    return read_weights(folder), json.loads((folder / "summary.json").read_text())


def test_micro_batches_of_a_mean_over_samples_are_one_batch(tmp_path):
    """Loss, gradients, clipping, rate and the teacher, which moves once a step."""
    words = [*SAME, "teacher=ema", "objective=reconstruct+jepa", "trainer.max_steps=4"]
    whole, told = trained(tmp_path / "whole", *words)
    parts, said = trained(tmp_path / "parts", *words, HALVES)
    assert said["steps"] == told["steps"] == 4 and said["loss"] == pytest.approx(told["loss"], rel=1e-5)
    assert any(name.startswith("teacher") for name in whole)
    assert all(torch.allclose(value, parts[name], atol=1e-5) for name, value in whole.items())


def test_a_run_goes_on_within_an_epoch_with_other_micro_batches(tmp_path, capsys):
    """An epoch has five steps; whole batches for two of them, then halves, as far as through the next epoch."""
    words = [*SAME, *STEADY, "trainer.max_epochs=2", "batch_size=256", "+optimizer.make.eps=1e-4"]
    whole, _ = trained(tmp_path / "whole", *words)
    trained(tmp_path / "parted", *words, "trainer.max_steps=2")
    parted, said = trained(tmp_path / "parted", *words, f"resume={tmp_path}/parted", "trainer.max_steps=-1", HALVES)
    assert said["steps"] == 10
    assert "goes on with trainer.accumulate_grad_batches=2 (it was 1)" in capsys.readouterr().err
    assert all(torch.allclose(value, parted[name], atol=1e-5) for name, value in whole.items())


def test_micro_batches_draw_numbers_of_their_own():
    """With Lightning alone: what the graph is given of each micro-batch, and how often the teacher moves."""
    graph = sslp.Graph({"noise": sslp.Noise()}, encoder=sslp.ConvEncoder(widths=[4]), objective=sslp.Reconstruction())
    module, seen, moved = sslp.PretrainModule(graph), [], []
    x = torch.rand(1, 1, 8, 8).expand(16, -1, -1, -1)
    loader = torch.utils.data.DataLoader(x, batch_size=4)
    original = sslp.Graph.corrupt
    options = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "accelerator": "cpu"}

    def corrupt(self, *args, **kwargs):
        views = original(self, *args, **kwargs)
        seen.append((args[2], views.views["noise"].x))
        return views

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sslp.Graph, "corrupt", corrupt)
        patch.setattr("ssl_pipeline.graph.graph_set.GraphSet.follow", lambda self, progress: moved.append(progress))
        L.Trainer(max_epochs=1, accumulate_grad_batches=2, enable_model_summary=False, **options).fit(module, loader)
    assert [step for step, _ in seen] == [0, 0, 1, 1] and moved == [0.0, 0.5]
    assert not torch.equal(seen[0][1], seen[1][1])


def test_micro_batches_come_in_the_order_of_the_batch():
    data = MemoryDataset(torch.arange(50.0).view(-1, 1, 1))
    order = EpochOrder(data.sources, seed=0)

    def batches(**parts):
        return [b.source for b in train_loader(data, batch_size=8, seed=0, order=order, start=lambda: 2, **parts)]

    halves = batches(parts=2)
    assert len(halves) == 8 and len(train_loader(data, batch_size=8, seed=0, parts=2)) == 12
    assert torch.equal(torch.cat(halves), torch.cat(batches()))
    with pytest.raises(ValueError, match=r"counts all 1 processes and their 3 micro-batches .* take 6 or another"):
        train_loader(data, batch_size=8, seed=0, parts=3)


def test_a_contrast_says_that_it_is_one_of_micro_batches(tmp_path, capsys):
    trained(tmp_path / "run", "experiment=simclr", "encoder.heads=2", "trainer.max_steps=1", HALVES)
    out = capsys.readouterr().out
    assert "64 = 1 device(s) x 2 micro-batches x 32" in out
    assert "info_nce compares the 32 samples of a micro-batch" in out


@pytest.mark.parametrize(("steps", "more", "first"), [(13, 9, 1), (11, 10, 0)], ids=["within an epoch", "at its end"])
def test_a_run_goes_on_with_another_batch_size(steps, more, first, tmp_path, monkeypatch, capsys):
    """Epochs of eleven steps of 128, then of five of 256; two of the former steps are one of the latter."""
    seen, original = [], sslp.Graph.corrupt
    trained(tmp_path, *SAME, *STEADY, "trainer.max_epochs=3", "batch_size=128", f"trainer.max_steps={steps}")

    def corrupt(self, batch, *args, **kwargs):
        seen.append(batch.source)
        return original(self, batch, *args, **kwargs)

    monkeypatch.setattr(sslp.Graph, "corrupt", corrupt)
    run(compose([f"resume={tmp_path}", "batch_size=256", "trainer.max_steps=-1"]), "")
    assert "goes on with batch_size=256 (it was 128)" in capsys.readouterr().err
    assert json.loads((tmp_path / "summary.json").read_text())["steps"] == steps + more
    order = EpochOrder(digits().train.sources, seed=0)
    expected = [epoch[256 * i : 256 * (i + 1)] for epoch in (order(1), order(2)) for i in range(5)][first:]
    assert all(
        torch.equal(digits().train.sources[rows], some) for rows, some in zip(expected, seen[:more], strict=True)
    )
