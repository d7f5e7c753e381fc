"""Real short runs: what they write, how they go on, what they refuse."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from string import Template
from unittest.mock import Mock

import datasets
import lightning as L
import numpy as np
import pytest
import torch
import yaml
from helpers.paths import ROOT
from helpers.processes import in_two_processes
from helpers.runs import CORES, SMALL, command, configured
from PIL import Image

import ssl_pipeline
from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import MemoryDataset, digits
from ssl_pipeline.evaluation import P1, features
from ssl_pipeline.graph.builder import build
from ssl_pipeline.inference.weights import load_weights, read_weights
from ssl_pipeline.training import run
from ssl_pipeline.training.callbacks import Metrics
from ssl_pipeline.training.callbacks.clock import Clock
from ssl_pipeline.training.graphs import maker, start_from
from ssl_pipeline.training.module import PretrainModule
from ssl_pipeline.training.samples import write_samples


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    summary = run(configured("trainer.max_steps=25", "probe.protocol.few=3", "probe.online=1"), str(folder))
    return folder, summary


def test_a_run_leaves_its_folder(finished):
    folder, summary = finished
    for name in ("config.yaml", "checkpoints/last.ckpt", "metrics.csv", "summary.json"):
        assert (folder / name).is_file(), name
    assert list((folder / "tensorboard").glob("events*"))
    assert json.loads((folder / "summary.json").read_text()) == summary


def test_summary_has_the_keys_of_the_contract(finished):
    _, summary = finished
    expected = {"samples_per_s", "seconds", "steps", "loss", "knn", "linear", "rankme", "std", "protocol"}
    expected |= {f"{probe}_{base}" for probe in ("knn", "linear", "few") for base in ("raw", "untrained")}
    expected |= {"reconstruction/mask", "reconstruction/noise", "few", "few_std"}
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
    model, protocol = ssl_pipeline.load(folder), P1(few=3)
    scores = protocol.score(protocol.features(lambda batch: model.embed(batch.x), digits()))
    for name, value in scores.items():
        assert summary[name] == pytest.approx(value, abs=1e-6), name


def test_of_masked_samples_only_the_holes_are_filled(tmp_path):
    data = digits()
    graph = build(compose([*SMALL, "corruption=mask", "corruption.mask.fill=0.77"]), data.grid, [0.3], [0.3])
    write_samples(graph.eval(), data, tmp_path, count=3)
    forms = ("clean", "mask", "mask_restored")
    for number in range(3):
        clean, damaged, restored = (np.asarray(Image.open(tmp_path / f"{number}_{form}.png")) for form in forms)
        hole = damaged != clean  # none of the digits' grey values is the one of a hole
        assert np.array_equal(restored[~hole], clean[~hole])
        assert (restored[hole] != damaged[hole]).any()


def test_training_beats_the_start(finished):
    folder, _ = finished
    with (folder / "metrics.csv").open() as file:
        losses = [float(r["value"]) for r in csv.DictReader(file) if r["name"] == "loss"]
    assert losses[-1] < 0.8 * losses[0]


def test_load_refuses_what_is_no_run_and_what_is_broken(finished, tmp_path):
    with pytest.raises(FileNotFoundError, match="no run's folder"):
        ssl_pipeline.load(tmp_path)
    (tmp_path / "config.yaml").write_text((finished[0] / "config.yaml").read_text())
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/last.ckpt").write_bytes((finished[0] / "checkpoints/last.ckpt").read_bytes()[:5000])
    with pytest.raises(ValueError, match="damaged or holds more than weights"):
        ssl_pipeline.load(tmp_path)


def test_embed_refuses_another_grid(finished):
    with pytest.raises(ValueError, match=r"expected samples of shape \('B', 1, 8, 8\), got \(2, 1, 9, 8\)"):
        ssl_pipeline.load(finished[0]).embed(torch.zeros(2, 1, 9, 8))


def test_a_run_that_is_older_than_some_keys_still_loads(finished, tmp_path):
    folder = shutil.copytree(finished[0], tmp_path / "old")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert [config.pop(key) for key in ("teacher", "watch")]
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    x = torch.rand(3, 1, 8, 8)
    assert torch.equal(ssl_pipeline.load(folder).embed(x), ssl_pipeline.load(finished[0]).embed(x))


def test_the_way_down_of_a_relaxed_ball_is_logged_and_old_runs_of_it_load(tmp_path, capsys):
    relaxed = ["latent=slots", "latent.slots=2", "latent.fuse=relaxed", "decoder=query", "decoder.width=32"]
    small = ["encoder.widths=[8,16]", "batch_size=128", "probe=none", "trainer.max_steps=2"]
    run(compose([*relaxed, *small, "corruption=mask+noise", "allow_collapse=true"]), str(tmp_path))
    with (tmp_path / "metrics.csv").open() as file:
        down = {row["name"]: float(row["value"]) for row in csv.DictReader(file) if row["name"].startswith("ball/")}
    assert [*down] == [f"ball/{k}" for k in range(5)] and down["ball/4"] <= down["ball/0"]
    said = capsys.readouterr().out
    assert "springs" in said and "ball/" not in said
    config = yaml.safe_load((tmp_path / "config.yaml").read_text())
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config | {"allow_collapse": False}))
    assert len(ssl_pipeline.load(tmp_path).embed(torch.rand(3, 1, 8, 8))) == 3
    assert compose([f"resume={tmp_path}", "allow_collapse=true"])["allow_collapse"] is True


@pytest.mark.parametrize("encoder", ["conv", "vit"])
def test_interrupted_and_resumed_equals_uninterrupted(encoder, tmp_path, monkeypatch):
    vit = [
        "encoder=vit",
        "encoder.width=24",
        "encoder.depth=1",
        "encoder.heads=2",
        "encoder.drop_path=0.2",
        "decoder=query",
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


@pytest.mark.parametrize("workers", [0, 1])
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


@pytest.mark.parametrize("target", ["ssl_pipeline.api.pretrain", "ssl_pipeline.data.digits", "os.system"])
def test_load_builds_nothing_but_graphs(target, finished, tmp_path):
    config = yaml.safe_load((finished[0] / "config.yaml").read_text())
    config["encoder"] = {"_target_": target}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(ValueError, match="not on the allow-list"):
        ssl_pipeline.load(tmp_path)


@pytest.mark.parametrize("key", ["accumulate_grad_batches=2", "devices=2", "max_stepz=3", "logger=true"])
def test_trainer_options_that_are_set_elsewhere(key, tmp_path):
    with pytest.raises(ValueError, match=key.partition("=")[0]):
        run(configured(f"+trainer.{key}"), str(tmp_path))


def test_resume_refuses_to_train_something_else(finished):
    folder, _ = finished
    with pytest.raises(ValueError, match=r"corruption.noise.sigma=0.7 differs from the run that is resumed.*init_from"):
        compose([f"resume={folder}", "corruption.noise.sigma=0.7"])
    config = compose([f"resume={folder}", "trainer.max_steps=40", "batch_size=128"])
    assert config["trainer"]["max_steps"] == 40
    assert config["encoder"]["widths"] == [8, 16]
    with pytest.raises(FileNotFoundError, match="no run's folder"):
        compose([f"resume={ROOT}"])


def test_init_from_takes_weights_and_nothing_else(finished, tmp_path):
    folder, _ = finished
    run(
        configured("trainer.max_steps=1", f"init_from={folder}", "optimizer.lr=1e-12", "probe=none"),
        str(tmp_path / "a"),
    )
    old, new = read_weights(folder), read_weights(tmp_path / "a")
    torch.testing.assert_close(new["encoder.stem.weight"], old["encoder.stem.weight"], rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match=r"not fit .*another shape: decoders.*\(8,.*init_partial=true"):
        run(configured("encoder.widths=[8,24]", f"init_from={folder}", "probe=none"), str(tmp_path / "b"))
    run(
        configured(
            "encoder.widths=[8,24]", f"init_from={folder}", "init_partial=true", "trainer.max_steps=1", "probe=none"
        ),
        str(tmp_path / "c"),
    )


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (["objective=byol"], ["objective=byol", "teacher=ema"], "missing: teacher (44 weights)"),
        (["objective=byol", "teacher=ema"], ["objective=byol"], "unused: teacher (44 weights)"),
        (
            ["objective=byol", "teacher=ema"],
            ["objective=moco", "teacher=ema"],
            "missing: objective.terms.moco (4 weights), teacher.copies.head_moco (2 weights); "
            "unused: objective.terms.byol (18 weights), teacher.copies.head_byol (9 weights)",
        ),
        (
            ["objective=info_nce"],
            ["objective=info_nce", "objective.info_nce.projector.out=16"],
            "of another shape: objective.terms.info_nce.projector.4.bias is (128,) and should be (16,), "
            "objective.terms.info_nce.projector.4.weight is (128, 256) and should be (16, 256)",
        ),
    ],
    ids=["no teacher", "a teacher", "another head", "a smaller head"],
)
def test_weights_that_do_not_fit_are_named_by_part(old, new, sentence, tmp_path):
    theirs, ours = (maker(configured("corruption=crop+crop", *options), digits())() for options in (old, new))
    (tmp_path / "checkpoints").mkdir()
    weights = {f"graph.{name}": value for name, value in theirs.state_dict().items()}
    torch.save({"state_dict": weights}, tmp_path / "checkpoints/last.ckpt")
    with pytest.raises(ValueError) as caught:
        load_weights(ours, tmp_path)
    advice = "take the same configuration, or set init_partial=true to load what fits"
    assert str(caught.value) == f"init_from={tmp_path}: the weights do not fit this graph ({sentence}): {advice}"
    missing = load_weights(ours, tmp_path, partial=True)
    assert missing == sorted(name for name, value in ours.state_dict().items() if not _same(name, value, weights))


def test_of_a_teacher_that_was_loaded_in_part_the_rest_is_as_what_it_teaches(tmp_path):
    theirs, ours = (
        maker(configured("corruption=crop+crop", "teacher=ema", f"objective={name}"), digits())()
        for name in ("byol", "moco")
    )
    (tmp_path / "checkpoints").mkdir()
    with torch.no_grad():
        for parameter in theirs.teacher.parameters():
            parameter.add_(1)
    weights = {f"graph.{name}": value for name, value in theirs.state_dict().items()}
    torch.save({"state_dict": weights}, tmp_path / "checkpoints/last.ckpt")
    start_from(ours, tmp_path, partial=True)
    loaded, copies = theirs.teacher.copies, ours.teacher.copies
    assert all(torch.equal(v, loaded["encoder"].state_dict()[k]) for k, v in copies["encoder"].state_dict().items())
    head = ours.objective.terms["moco"].projector.state_dict()
    assert all(torch.equal(v, head[k]) for k, v in copies["head_moco"].state_dict().items())


def _same(name, value, weights):
    return f"graph.{name}" in weights and torch.equal(weights[f"graph.{name}"], value)


def test_same_seed_same_weights_other_seed_others(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run(configured("trainer.max_steps=3", f"seed={seed}", "probe=none"), str(tmp_path / name))
    a, b, c = (read_weights(tmp_path / name)["encoder.stem.weight"] for name in "abc")
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_schedule_follows_the_bound_that_is_set():
    trainer = Mock(spec=L.Trainer, global_step=30, max_steps=100, max_epochs=-1, num_training_batches=10)
    assert Clock().progress(trainer) == 0.3
    trainer.max_epochs = 4
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
        options={"data.size": 16, "data.holdout": 0, "encoder.widths": [8, 8], "data.cache": str(tmp_path / "cache")},
    )
    assert "knn" not in summary and "rankme" in summary and "reconstruction/mask" in summary
    assert "probes are left out" in capsys.readouterr().out


def test_labelled_pictures(tmp_path):
    root = pictures(tmp_path / "pictures")
    options = {"data.size": 16, "data.holdout": 0.25, "encoder.widths": [8, 8], "data.cache": str(tmp_path / "cache")}
    summary = ssl_pipeline.pretrain(str(root), epochs=1, batch_size=6, output=str(tmp_path / "run"), options=options)
    assert {"knn", "linear", "knn_raw", "knn_untrained"} <= set(summary)


MISTAKES = [
    (["corruption=mask+nois"], "noise"),
    (["corruption.noise.sgima=1"], "sigma"),
    (["batch_size=0"], "batch_size"),
    (["batch_size=5000"], "larger than the 1437 training samples"),
    (["corruption.mask.ratio=-0.5"], "ratio must be at least 0"),
    (["objective=align"], "only attract each other"),
    (["data=folder", "data.root=/nowhere/at/all"], "/nowhere/at/all"),
    (["data=folder", "data.root=/", "data.size=abc"], "data.size='abc': expected int"),
    (["data=folder", "data.root=/", "data.size=-4"], "expected data.size as a whole number of pixels, at least 1, got"),
    (["data=folder", "data.root=/", "data.size=1.5"], "data.size=1.5: expected int"),
    (["trainer.max_time=soon"], "DD:HH:MM:SS"),
    (["trainer.max_steps=many"], "whole number"),
    (["objective=cross_entropy"], "take reconstruct"),
    (["resume=/nowhere/at/all"], "no such folder"),
    (["+trainer.max_stepz=3"], "max_stepz"),
]
ALL_OF_THEM = """
import contextlib, io, json, sys
from ssl_pipeline.cli import main as cli

for arguments in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
        code = cli.main(["train", *arguments])
    print(json.dumps([code, said.getvalue()]))
"""


@pytest.fixture(scope="module")
def mistakes(tmp_path_factory):
    """What each comes to, in one process of its own: here annotations are checked, which would refuse words first."""
    folder = tmp_path_factory.mktemp("mistakes")
    asked = [["trainer.max_steps=1", f"hydra.run.dir={folder}/{i}", *words] for i, (words, _) in enumerate(MISTAKES)]
    done = subprocess.run(
        [sys.executable, "-c", ALL_OF_THEM, json.dumps(asked)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("number", range(len(MISTAKES)), ids=[" ".join(words) for words, _ in MISTAKES])
def test_a_mistake_is_one_sentence(number, mistakes):
    (code, said), (_, sentence) = mistakes[number], MISTAKES[number]
    assert code == 1
    assert "Traceback" not in said
    last = said.strip().splitlines()[-1]
    assert last.startswith("error: ") and sentence in last


def test_a_mistake_ends_the_command():
    done = command("corruption=mask+nois")
    assert done.returncode == 1 and done.stderr.startswith("error: ") and "Traceback" not in done.stderr


def test_importing_the_package_is_quick_and_light():
    code = (
        "import sys, time; t = time.perf_counter(); import ssl_pipeline; assert time.perf_counter() - t < 3;"
        "ssl_pipeline.load, ssl_pipeline.Graph;"
        "assert not {'lightning', 'hydra', 'datasets', 'omegaconf'} & set(sys.modules), 'heavy';"
        "import ssl_pipeline.api; assert 'lightning' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.slow
def test_two_processes_train_as_one_command(tmp_path):
    done = command(
        "hardware=ddp_cpu",
        "trainer.max_steps=12",
        *SMALL,
        "probe.online=1",
        "views_per_step=1",
        f"hydra.run.dir={tmp_path}/run",
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["steps"] == 12 and "knn" in summary
    assert "128 = 2 device(s) x 64" in done.stdout


def _train_as_rank(rank, queue, config, folder):
    """What ``torchrun`` would start; both ranks leave their state behind."""
    os.environ.update(LOCAL_RANK=str(rank), WORLD_SIZE="2", NODE_RANK="0")
    PretrainModule.on_train_end = lambda self: torch.save(self.graph.state_dict(), f"{folder}/rank_{rank}.pt")
    run(config, folder)
    queue.put((rank, torch.distributed.get_world_size()))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("experiment", "kept"),
    [("moco", ("energy.queue.rows", "energy.queue.place")), ("dino", ("energy.balance.centre",))],
)
def test_what_two_processes_remember_is_alike_and_goes_on_in_one(experiment, kept, tmp_path):
    options = ["probe=none", "hardware.precision=32-true", "optimizer.warmup=0"]
    config = configured(f"experiment={experiment}", "hardware=ddp_cpu", "trainer.max_steps=4", *options)
    assert in_two_processes(_train_as_rank, config, str(tmp_path)) == [(0, 2), (1, 2)]
    first, second = (torch.load(tmp_path / f"rank_{rank}.pt", weights_only=True) for rank in range(2))
    parameters = dict(maker(config, digits())().named_parameters())
    remembered = [f"objective.terms.{experiment}.{name}" for name in kept]
    assert any(name.startswith("teacher.") for name in parameters)
    for name in (*parameters, *remembered):
        assert torch.equal(first[name], second[name]), name
    saved = read_weights(tmp_path)
    assert all(torch.equal(value, first[name]) for name, value in saved.items())
    summary = run(compose([f"resume={tmp_path}", "hardware=cpu", "trainer.max_steps=6"]), "elsewhere")
    assert summary["steps"] == 6 and np.isfinite(summary["loss"])
    after = read_weights(tmp_path)
    assert not any(torch.equal(after[name], saved[name]) for name in remembered)
    if experiment == "moco":  # 128 samples in two views a step, from place 4 x 256 on; the rest of the queue stays
        rows = remembered[0]
        assert after[remembered[1]] == 6 * 256
        assert torch.equal(after[rows][: 4 * 256], saved[rows][: 4 * 256])


README = (ROOT / "README.md").read_text()
SHELL = dict(re.findall(r'^([A-Z]+)="?(.+?)"?$', README, flags=re.M))  # variables that stand before some commands
COMMANDS = [
    Template(c).safe_substitute(SHELL) for c in re.findall(r"^python train\.py (.+?)(?: +#.*)?$", README, flags=re.M)
]


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", [c for c in COMMANDS if not re.search(r"<time>|path/to|NAME|/usr/share|--multirun|my_conf|logger=", c)]
)
def test_readme_commands_train(arguments, tmp_path):
    done = command(*shlex.split(arguments), "trainer.max_steps=2", "probe=none", f"hydra.run.dir={tmp_path}/run")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_sweep_trains_each(tmp_path):
    done = command(
        "--multirun",
        "corruption=mask,mask+noise",
        "trainer.max_steps=2",
        *SMALL,
        "probe=none",
        f"hydra.sweep.dir={tmp_path}",
    )
    assert done.returncode == 0, done.stderr
    assert {p.parent.name for p in tmp_path.glob("*/summary.json")} == {"0", "1"}


@pytest.mark.slow
def test_torchrun_trains_in_one_folder(tmp_path):
    """Its processes start at once and would each name a folder by the time; here one is two seconds late."""
    late = "import os, time\nif os.environ.get('RANK') == '1':\n    time.sleep(2)\n"
    (tmp_path / "sitecustomize.py").write_text(late)
    words = [*SMALL, "hardware=ddp_cpu", "trainer.max_steps=4", "trainer.max_epochs=-1", "probe=none"]
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", str(ROOT / "train.py"), *words],
        cwd=tmp_path,
        env={**os.environ, **CORES, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "outputs/train").iterdir()
    assert json.loads((folder / "summary.json").read_text())["steps"] == 4
    assert "2 device(s)" in done.stdout and "Grad strides" not in done.stderr
