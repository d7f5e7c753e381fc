"""Real short runs: what they write and what they refuse."""

from __future__ import annotations

import csv
import json
from unittest.mock import Mock

import lightning as L
import numpy as np
import pytest
import torch
import yaml
from helpers.build import build
from helpers.runs import SMALL, configured
from PIL import Image

import ssl_pipeline
from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import MemoryDataset, digits
from ssl_pipeline.evaluation import P1, features
from ssl_pipeline.inference.weights import read_weights
from ssl_pipeline.training import run
from ssl_pipeline.training.callbacks.clock import Clock
from ssl_pipeline.training.samples import write_samples


def test_a_run_leaves_its_folder(finished):
    folder, summary = finished
    for name in ("config.yaml", "checkpoints/last.ckpt", "metrics.csv", "summary.json"):
        assert (folder / name).is_file(), name
    assert list((folder / "tensorboard").glob("events*"))
    assert json.loads((folder / "summary.json").read_text()) == summary


def test_summary_has_the_keys_of_the_contract(finished):
    _, summary = finished
    expected = {"samples_per_s", "seconds", "steps", "loss", "knn", "linear", "rankme", "std", "protocol"}
    expected |= {f"{probe}_{base}" for probe in ("knn", "linear", "few_shot") for base in ("raw", "untrained")}
    expected |= {"reconstruction/mask", "reconstruction/noise", "few_shot", "few_shot_std"}
    assert expected <= set(summary)
    assert summary["steps"] == 25
    assert all(np.isfinite(v) for v in summary.values() if isinstance(v, float))


def test_metrics_hold_losses_and_online_probes(finished):
    with (finished[0] / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {"loss", "lr", "reconstruct/mask", "reconstruct/noise", "online/knn"} <= {row["name"] for row in rows}
    assert [int(r["step"]) for r in rows if r["name"] == "loss"][-1] == 25


def test_probes_can_be_recomputed_through_load(finished):
    folder, summary = finished
    model, protocol = ssl_pipeline.load(folder), P1(few_shot=3, corrupted=None)
    scores = protocol.score(protocol.features(lambda batch: model.embed(batch.x), digits()))
    assert {"knn", "linear", "few_shot"} <= set(scores)
    for name, value in scores.items():
        assert summary[name] == pytest.approx(value, abs=1e-6), name


def test_of_masked_samples_only_the_holes_are_filled(tmp_path):
    data = digits()
    graph = build(compose([*SMALL, "corruption=mask", "corruption.mask.fill=0.77"]), data.grid, [0.3], [0.3])
    write_samples(graph.eval(), data, tmp_path, count=3)
    forms = ("clean", "mask", "mask_restored")
    for number in range(3):
        clean, corrupted, restored = (np.asarray(Image.open(tmp_path / f"{number}_{form}.png")) for form in forms)
        hole = corrupted != clean  # none of the digits' grey values is the one of a hole
        assert np.array_equal(restored[~hole], clean[~hole])
        assert (restored[hole] != corrupted[hole]).any()


def test_training_beats_the_start(finished):
    folder, _ = finished
    with (folder / "metrics.csv").open() as file:
        losses = [float(r["value"]) for r in csv.DictReader(file) if r["name"] == "loss"]
    assert losses[-1] < 0.8 * losses[0]


def test_embed_refuses_another_grid(finished):
    with pytest.raises(ValueError, match=r"expected samples of shape \(B, 1, 8, 8\), got \(2, 1, 9, 8\)"):
        ssl_pipeline.load(finished[0]).embed(torch.zeros(2, 1, 9, 8))


def test_the_way_down_of_a_relaxed_ball_is_logged_and_old_runs_of_it_load(tmp_path, capsys):
    relaxed = ["latent=slots", "latent.slots=2", "latent.fuse=relaxed", "decoder=cross_attention", "decoder.width=32"]
    small = ["encoder.widths=[8,16]", "batch_size=128", "probe=none", "trainer.max_steps=2"]
    run(compose([*relaxed, *small, "corruption=mask+noise", "allow_collapse=true"]), str(tmp_path))
    with (tmp_path / "metrics.csv").open() as file:
        down = {
            row["name"]: float(row["value"]) for row in csv.DictReader(file) if row["name"].startswith("relaxation/")
        }
    assert [*down] == [f"relaxation/{k}" for k in range(13)] and down["relaxation/12"] <= down["relaxation/0"]
    said = capsys.readouterr().out
    assert "consensus" in said and "relaxation/" not in said
    config = yaml.safe_load((tmp_path / "config.yaml").read_text())
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config | {"allow_collapse": False}))
    assert len(ssl_pipeline.load(tmp_path).embed(torch.rand(3, 1, 8, 8))) == 3
    assert compose([f"resume={tmp_path}", "allow_collapse=true"])["allow_collapse"] is True


def test_embed_takes_arrays_and_refuses_another_range(finished):
    model = ssl_pipeline.load(finished[0])
    pixels = np.arange(128, dtype=np.uint8).reshape(2, 1, 8, 8)
    torch.testing.assert_close(model.embed(pixels), model.embed(torch.from_numpy(pixels / np.float32(255))))
    with pytest.raises(ValueError, match="divide by 255"):
        model.embed(torch.from_numpy(pixels).float())


def test_a_new_run_does_not_write_over_an_old_one(finished):
    with pytest.raises(FileExistsError, match="holds a run already"):
        run(configured("trainer.max_steps=1"), str(finished[0]))


def test_bfloat16_learns_too(tmp_path):
    options = [
        "trainer.max_steps=20",
        "hardware.precision=bf16-mixed",
        "corruption=crop+crop",
        "objective=info_nce+vicreg",
    ]
    summary = run(configured(*options, "probe=none", "objective.vicreg.weight=0.1"), str(tmp_path))
    assert np.isfinite(summary["loss"])


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    with pytest.raises(ValueError, match=r"the loss is (nan|inf) at step.*optimizer.lr"):
        run(configured("trainer.max_steps=50", "optimizer.lr=1e30", "probe=none", "hardware=cpu"), str(tmp_path))


def test_the_samples_of_a_set_stored_by_class_are_mixed():
    labels = torch.arange(3).repeat_interleave(40)
    sorted_set = MemoryDataset(torch.zeros(120, 1, 2, 2, dtype=torch.uint8), labels=labels)
    found = features(lambda batch: batch.x.flatten(1), sorted_set, limit=50).label
    assert len(found) == 50 and set(found) == {0, 1, 2}
    mixed = MemoryDataset(torch.zeros(120, 1, 2, 2, dtype=torch.uint8), labels=labels.view(3, 40).T.flatten())
    assert features(lambda batch: batch.x.flatten(1), mixed, limit=50).label.tolist() == mixed.labels[:50].tolist()


def test_a_stream_trains(tmp_path):
    root = pictures(tmp_path / "pictures", classes=())
    options = [
        "data=hf",
        "data.path=imagefolder",
        "data.size=16",
        "data.streaming=true",
        "data.label=null",
        "batch_size=8",
    ]
    options += [f"data.data_files={root}/*.png"]
    with pytest.raises(ValueError, match=r"stream has no epochs.*trainer.max_steps"):
        run(configured(*options, "encoder.widths=[8,8]", "batch_size=8"), str(tmp_path / "a"))
    summary = run(
        configured(*options, "encoder.widths=[8,8]", "batch_size=8", "trainer.max_steps=5"), str(tmp_path / "b")
    )
    assert summary["steps"] == 5 and "knn" not in summary and "rankme" in summary


@pytest.mark.parametrize("key", ["devices=2", "max_stepz=3", "logger=true"])
def test_trainer_options_that_are_set_elsewhere(key, tmp_path):
    with pytest.raises(ValueError, match=key.partition("=")[0]):
        run(configured(f"+trainer.{key}"), str(tmp_path))


def test_more_members_of_a_source_than_a_batch_holds_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"members_per_source=1000000000: .* at most batch_size=128"):
        run(configured("members_per_source=1000000000"), str(tmp_path))


def test_same_seed_same_weights_other_seed_others(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run(configured("trainer.max_steps=3", f"seed={seed}", "probe=none"), str(tmp_path / name))
    a, b, c = (read_weights(tmp_path / name)["encoder.stem.weight"] for name in "abc")
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_schedule_follows_the_bound_that_is_set():
    trainer = Mock(spec=L.Trainer, global_step=30, max_steps=100, max_epochs=-1, num_training_batches=10)
    assert Clock().progress(trainer) == 0.3
    trainer.max_epochs, trainer.accumulate_grad_batches = 4, 1
    assert Clock().progress(trainer) == 0.75
    trainer.strategy.root_device = torch.device("cpu")
    timed = Clock(max_time=10)
    timed.seconds = 8
    assert timed.progress(trainer) == 0.8


def test_time_bound_ends_the_run(tmp_path):
    config = configured("trainer.max_time=00:00:00:02", "trainer.max_epochs=100000", "probe=none")
    summary = run(config, str(tmp_path))
    assert 2 <= summary["seconds"] < 10


def pictures(folder, n=24, classes=("a", "b"), seed=0):
    rng = np.random.default_rng(seed)
    for i in range(n):
        place = folder / classes[i % len(classes)] if classes else folder
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(place / f"{i}.png")
    return folder


def test_unlabelled_pictures_without_a_test_set(tmp_path, capsys):
    root = pictures(tmp_path / "pictures", classes=())
    summary = ssl_pipeline.pretrain(
        str(root),
        epochs=2,
        batch_size=8,
        output=str(tmp_path / "run"),
        options={
            "data.size": 16,
            "data.split.holdout": 0,
            "encoder.widths": [8, 8],
            "data.cache.folder": str(tmp_path / "cache"),
        },
    ).summary
    assert "knn" not in summary and "rankme" in summary and "reconstruction/mask" in summary
    assert "probes are left out" in capsys.readouterr().out


def test_labelled_pictures(tmp_path):
    root = pictures(tmp_path / "pictures")
    options = {
        "data.size": 16,
        "data.split.holdout": 0.25,
        "encoder.widths": [8, 8],
        "data.cache.folder": str(tmp_path / "cache"),
    }
    run = ssl_pipeline.pretrain(root, epochs=1, batch_size=6, output=tmp_path / "run", options=options)
    summary = run.summary
    assert {"knn", "linear", "knn_raw", "knn_untrained"} <= set(summary)
