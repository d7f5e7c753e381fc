"""Collapse is seen on the way, said in a sentence, and looking changes nothing."""

from __future__ import annotations

import csv
import itertools
import os
import subprocess
import sys
from contextlib import nullcontext
from unittest.mock import Mock

import lightning as L
import pytest
import torch
from helpers.build import build
from helpers.graph_kinds import graph_of
from helpers.mixed_data import SMALL as MIXED
from helpers.mixed_data import images, words
from helpers.on_data import graphs_on
from helpers.runs import command
from helpers.small_models import CONV, VIT
from torch import nn

from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import digits, mixed
from ssl_pipeline.diagnostics import Numbers, ProbeBatch, findings, look
from ssl_pipeline.diagnostics.collapse import Signs
from ssl_pipeline.inference.weights import read_weights
from ssl_pipeline.training import run
from ssl_pipeline.training.callbacks.diagnostics import Diagnostics
from ssl_pipeline.training.modes import evaluating
from ssl_pipeline.training.module import PretrainModule
from ssl_pipeline.training.plan import plan_run

FAST = ["batch_size=64", "optimizer.lr=5e-3", "diagnostics.every=50", "probe=none", "trainer.max_steps=300"]
COLLAPSING = [
    "diagnostics.layers=false",
    "corruption=mask+noise",
    "objective=reconstruct+align",
    "objective.reconstruct.weight=1e-6",
]


def logged(folder, name="metrics"):
    with (folder / f"{name}.csv").open() as file:
        return {(int(row["step"]), row["name"]): float(row["value"]) for row in csv.DictReader(file)}


# A graph under the eye.


def test_each_part_returns_to_its_own_mode():
    module = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.BatchNorm1d(2), nn.Dropout()))
    module[1][0].eval()
    modes = [part.training for part in module.modules()]
    with pytest.raises(KeyError), evaluating(module):
        assert not any(part.training for part in module.modules())
        raise KeyError
    assert [part.training for part in module.modules()] == modes


@pytest.mark.parametrize("views", ["all", "1"])
def test_looking_leaves_the_graph_as_it_was(views):
    data = digits()
    graph = build(compose([*CONV, "corruption=mask+noise+lowres", f"views_per_step={views}"]), data.grid).train()
    before = {name: value.clone() for name, value in graph.state_dict().items()}
    modes, noise = [part.training for part in graph.modules()], torch.get_rng_state()
    with evaluating(graph):
        found, _ = look(graph, ProbeBatch(data.train[range(20)]), seed=1)
    assert {name: z.shape for name, z in found.items()} == dict.fromkeys(("mask", "noise", "lowres"), (20, 64))
    assert all(torch.equal(value, before[name]) for name, value in graph.state_dict().items())
    assert [part.training for part in graph.modules()] == modes
    assert torch.equal(torch.get_rng_state(), noise)


@pytest.mark.slow
def test_a_collapse_is_announced_once(tmp_path, capsys):
    allowed = ["objective=align", "allow_collapse=true", "diagnostics.on_alarm=stop"]  # which is not obeyed then
    summary = run(compose([*VIT, *FAST, "corruption=mask+noise", *allowed]), str(tmp_path))
    said = [line for line in capsys.readouterr().err.splitlines() if "the embeddings of" in line]
    assert len(said) == 2 and summary["steps"] == 300
    assert all("have nearly become one constant (normalised std 0.00" in line for line in said)
    values = logged(tmp_path)
    assert values[50, "diagnostics/spread/mask"] > 2 * values[300, "diagnostics/spread/mask"]
    assert values[300, "diagnostics/spread/noise"] < 0.01 and values[300, "diagnostics/rank/noise"] > 2
    assert values[300, "diagnostics/gap"] > 0.5  # nor does the distance between views, in units of what is left, see it


@pytest.mark.slow
def test_a_collapse_can_end_the_run(tmp_path):
    with pytest.raises(ValueError, match=r"step \d+: the embeddings of noise .*add negatives.*allow_collapse=true"):
        run(compose([*VIT, *FAST, *COLLAPSING, "diagnostics.on_alarm=stop"]), str(tmp_path))
    stopped = max(step for step, _ in logged(tmp_path))
    assert stopped < 300 and stopped % 50 == 0
    saved = torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=True)
    assert saved["global_step"] == stopped
    on = [f"resume={tmp_path}", "diagnostics.on_alarm=warn", f"trainer.max_steps={stopped + 3}"]
    assert run(compose(on), str(tmp_path))["steps"] == stopped + 3


def test_one_bad_look_is_no_alarm(capsys):
    watch, graphs = Diagnostics(every=1), graph_of("mixed")
    for step, spread in enumerate((0.3, 0.005, 0.2, 0.005, 0.004, 0.003), 1):
        watch._judge(graphs, "image", [*findings(Numbers({"mask": Signs(1.0, spread, 9.0)}, (64, 64)))], step)
        watch._judge(graphs, "text", [], step)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and said[0].startswith("warning: step 5: image: the embeddings of mask ")


HEALTHY = {
    "reconstruct": [*CONV, "corruption=mask+noise"],
    "patches": [*VIT, "corruption=mask+noise"],
    "magnets": [*VIT, "corruption=mask+noise", "objective=reconstruct+align", "objective.align.weight=0.1"],
    "contrast": [*VIT, "corruption=crop+crop", "objective=info_nce"],
    "variance": [*VIT, "corruption=crop+crop", "objective=vicreg", "views_per_step=all"],
    "teacher": [*VIT, "corruption=crop+crop", "teacher=ema", "objective=byol"],
    "slots": [*VIT, "latent=slots", "latent.heads=2", "corruption=mask+noise+lowres", "latent.fuse=mean"],
}


IN_EVERY_RUN = ("reconstruct", "contrast", "teacher")


@pytest.mark.parametrize(
    "name", [name if name in IN_EVERY_RUN else pytest.param(name, marks=pytest.mark.slow) for name in HEALTHY]
)
def test_no_alarm_where_all_is_well(name, tmp_path, capsys):
    config = compose([*FAST, *HEALTHY[name], "optimizer.lr=2e-3", "trainer.max_steps=80", "diagnostics.every=40"])
    run(config, str(tmp_path))
    assert "warning" not in capsys.readouterr().err
    values = logged(tmp_path)
    expected = {f"diagnostics/{sign}/{view}" for sign in ("std", "spread", "rank") for view in config["corruption"]}
    expected |= {"diagnostics/gap", "diagnostics/least_share", "diagnostics/largest_update"}
    found = {(s, n) for s, n in values if n.startswith("diagnostics")}
    assert found >= set(itertools.product((40, 80), expected))
    assert {n for _, n in found} <= expected | {"diagnostics/largest_change", "diagnostics/least_cosine"}
    layers = {
        (kind, rest): v for (_, n), v in logged(tmp_path, "diagnostics").items() for kind, _, rest in [n.partition("/")]
    }
    assert {"share", "update"} <= {kind for kind, _ in layers}
    assert all(0 <= v <= 1 for (kind, _), v in layers.items() if kind == "share")
    assert all(0 < v < 0.2 for (kind, _), v in layers.items() if kind == "update")


@pytest.mark.parametrize("model", ["conv", "vit"])
def test_weights_are_the_same_bit_by_bit_with_and_without(model, tmp_path):
    options = [*(CONV if model == "conv" else [*VIT, "encoder.drop_path=0.2"]), "corruption=mask+noise"]
    options += ["batch_size=128", "probe=none", "optimizer.warmup=0", "optimizer.final=1"]
    run(compose([*options, "diagnostics.every=0", "trainer.max_steps=14"]), str(tmp_path / "without"))
    run(compose([*options, "diagnostics.every=4", "trainer.max_steps=9"]), str(tmp_path / "parted"))
    resume = ["diagnostics.every=4", f"resume={tmp_path / 'parted'}", "trainer.max_steps=14"]
    run(compose([*options, *resume]), str(tmp_path / "parted"))
    assert {step for step, name in logged(tmp_path / "parted") if "diagnostics" in name} == {4, 8, 12}
    assert not any("diagnostics" in name for _, name in logged(tmp_path / "without"))
    expected, got = read_weights(tmp_path / "without"), read_weights(tmp_path / "parted")
    assert all(torch.equal(value, got[name]) for name, value in expected.items())


def test_sets_that_take_turns_are_all_looked_at():
    both, config, entries = mixed({"images": images(50), "words": words(24)}), compose(MIXED), []
    plan = plan_run(config)
    module = PretrainModule(graphs_on(config, both), plan.recipe, plan.clock, batch_size=8, seed=0)
    trainer = Mock(spec=L.Trainer, is_global_zero=True, accumulate_grad_batches=1)
    trainer.precision_plugin.forward_context = nullcontext
    trainer.loggers = [Mock(log_metrics=lambda values, step: entries.append((step, set(values))))]
    watch, batches = Diagnostics(every=4, samples=5, turns=2), both.train.batches(8, seed=0, step=0, rank=0, world=1)
    for trainer.global_step, batch in zip(range(1, 10), batches, strict=False):
        watch.on_train_batch_end(trainer, module, None, batch, 0)
    assert [step for step, _ in entries] == [4, 5, 8, 9]
    for (_, names), of in zip(entries, ("words", "images", "words", "images"), strict=True):
        assert {name.partition("/")[0] for name in names} == {of} and f"{of}/diagnostics/gap" in names


def test_views_of_several_sizes_and_those_of_the_teacher_alone():
    data = digits()
    views = ["corruption=crop+crop+echo", "corruption.crop_2.size=4", "encoder.patch=4", "objective=byol"]
    views += ["teacher=ema", "objective.byol.targets=[echo]", "objective.byol.views=[crop_1,crop_2]"]
    graph = build(compose([*VIT, *views]), data.grid).train()
    teacher = [part.training for part in graph.teacher.modules()]
    with evaluating(graph):
        found, _ = look(graph, ProbeBatch(data.train[range(9)]), seed=0)
    assert {name: z.shape for name, z in found.items()} == dict.fromkeys(("crop_1", "crop_2"), (9, 16))
    assert [part.training for part in graph.teacher.modules()] == teacher


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("diagnostics.every=-1", "every .*at least 0"),
        ("diagnostics.samples=1", "samples of at least 2"),
        ("diagnostics.on_alarm=stopp", "on_alarm='stopp'.*nearest: stop"),
        ("diagnostics.evry=3", "diagnostics.every"),
    ],
)
def test_a_wrong_setting_is_refused(override, sentence):
    with pytest.raises(ValueError, match=sentence):
        compose([override])


@pytest.mark.slow
def test_two_processes_stop_together(tmp_path):
    options = ["hardware=ddp_cpu", "diagnostics.on_alarm=stop", f"hydra.run.dir={tmp_path}/run"]
    done = command(*VIT, *FAST, *COLLAPSING, *options)
    assert done.returncode == 1
    assert done.stderr.count("error: ") == 1 and "one constant" in done.stderr
    assert (tmp_path / "run/checkpoints/last.ckpt").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("experiment", ["simclr", "moco"])
def test_two_processes_look_together(experiment, tmp_path):
    """Losses over the batch gather across ranks while their gradients are taken, too."""
    words = ["batch_size=32", "probe=none", "trainer.max_steps=7", "trainer.max_epochs=-1", "diagnostics.every=3"]
    done = command(f"experiment={experiment}", *words, "hardware=ddp_cpu", f"hydra.run.dir={tmp_path}/run")
    assert done.returncode == 0, done.stderr
    steps = {step for step, name in logged(tmp_path / "run", "diagnostics") if name.startswith("pull/")}
    assert steps == {3, 6}


TIMED = """
import statistics, sys, time
from ssl_pipeline.config.compose import compose
from ssl_pipeline.training import run
from ssl_pipeline.training.callbacks.diagnostics import Diagnostics

looks, steps, ended, before = [], [], [], [0.0]
original, remember = Diagnostics.on_train_batch_end, Diagnostics.on_before_optimizer_step

def timed(self, trainer, *args):
    began = time.process_time()
    original(self, trainer, *args)
    now = time.process_time()
    if trainer.global_step % 5 == 0:
        looks.append(now - began + before[0])
    else:
        steps.extend(began - last for last in ended[-1:])
    ended.append(now)

def remembered(self, *args):
    began = time.process_time()
    remember(self, *args)
    before[0] = time.process_time() - began

Diagnostics.on_train_batch_end, Diagnostics.on_before_optimizer_step = timed, remembered
options = ["diagnostics.every=5", "trainer.max_steps=40", "probe=none", "report.page=false"]
run(compose([*sys.argv[2:], *options]), sys.argv[1])
print(statistics.median(looks) / statistics.median(steps))
"""


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["encoder=vit", "decoder=cross_attention"], ["experiment=simclr"]])
def test_looking_costs_less_than_three_steps_in_a_hundred(options, tmp_path):
    """Layers and losses, too: processor time of one thread, in a process that does not check shapes.

    What waits in a second thread would count, and here checking takes three times as long as looking.
    """
    words = [sys.executable, "-c", TIMED, str(tmp_path), *options]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.splitlines()[-1]) < 3  # steps a look; the default looks after each 100
