"""The teacher: a slow copy, what it sees, and the terms that predict it."""

from __future__ import annotations

from math import cos, pi

import pytest
import torch
import torch.nn.functional as F
from helpers.build import build
from helpers.cases import GRIDS, sample
from torch import nn

import ssl_pipeline
from ssl_pipeline.config.compose import compose
from ssl_pipeline.inference.weights import read_weights
from ssl_pipeline.models.ema_teacher import EMATeacher
from ssl_pipeline.structures.batch import Batch
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.training import run

IMAGE = GridSpec.of(("y", 16), ("x", 16), channels=1)
TOKENS = ["encoder.patch=4", "encoder.width=32", "encoder.depth=3", "encoder.heads=2"]
DIRECTED = [
    "corruption=crop+crop",
    "objective=info_nce",
    "objective.info_nce.loss.type=self_distillation",
    "~objective.info_nce.loss.temperature",
    "+objective.info_nce.loss.balance=sinkhorn",
]
METHODS = ["moco", "nnclr", "byol", "simsiam", "swav", "dino", "ibot", "ijepa", "data2vec"]


def make(*overrides, grid=IMAGE):
    torch.manual_seed(0)
    return build(compose([*overrides]), grid)


def method(name):
    return make(f"experiment={name}", *(TOKENS if name in ("ibot", "ijepa", "data2vec") else []))


def batch(n=16, seed=0, grid=IMAGE):
    return Batch(x=sample(grid, n, seed).x, source=torch.arange(n))


def test_it_follows_by_half_a_cosine():
    student = nn.Linear(2, 2)
    teacher = EMATeacher(momentum=0.8, final=1.0).bind({"encoder": student})
    copy = teacher.copies["encoder"].weight.clone()
    student.weight.data.add_(1.0)
    teacher.follow({"encoder": student}, progress=0.25)
    stay = 1 - 0.2 * (1 + cos(pi / 4)) / 2
    torch.testing.assert_close(teacher.copies["encoder"].weight, stay * copy + (1 - stay) * student.weight)
    teacher.follow({"encoder": student}, progress=1.0)
    torch.testing.assert_close(teacher.copies["encoder"].weight, stay * copy + (1 - stay) * student.weight)
    assert not any(p.requires_grad for p in teacher.parameters())


def test_it_drops_nothing_but_takes_its_own_batch_statistics():
    teacher = EMATeacher().bind({"a": nn.Sequential(nn.Dropout(0.9), nn.BatchNorm1d(2))}).train()
    dropout, norm = teacher.copies["a"]
    assert not dropout.training and norm.training
    assert not teacher.eval().copies["a"][1].training


def test_its_defaults_are_those_of_the_configuration():
    teacher, corruption_params = EMATeacher().bind({"a": nn.Linear(1, 1)}), compose(["teacher=ema"])["teacher"]
    assert {name: getattr(teacher, name) for name in ("momentum", "final", "layers")} == {
        name: value for name, value in corruption_params.items() if name != "type"
    }


@pytest.mark.parametrize(("momentum", "layers"), [(1.5, 1), (-0.1, 1)])
def test_settings_out_of_range(momentum, layers):
    with pytest.raises(ValueError, match="expected shares from 0 to 1"):
        EMATeacher(momentum=momentum, layers=layers).bind({"a": nn.Linear(1, 1)})


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["corruption=mask+noise", "teacher=ema"], "predicts no teacher: set teacher=none"),
        (["experiment=data2vec", "teacher.layers=9", *TOKENS], "expected 1 to the 3 blocks that"),
        (["experiment=byol", "teacher.layers=2"], "expected 1 to the 1 blocks that"),
        (
            ["experiment=byol", "objective.byol.predictor=null"],
            r"only attract each other.*its predictor \(objective\.byol\.predictor\)",
        ),
        (["experiment=ijepa", "latent=slots", *TOKENS], "tokens have places: set latent=tokens"),
        (["experiment=byol", "views_per_step=1"], "views_per_step=2 or more"),
        (["experiment=moco", "objective.moco.loss.width=7"], "set objective.moco.loss.width=128"),
        (["experiment=byol", "objective.byol.predictor.out=7"], "set objective.byol.predictor.out=128"),
        (["corruption=crop-mask-noise+crop", "objective=byol"], "name the mask last"),
        (DIRECTED, "both have one: take"),
        (["experiment=ibot", "encoder.masked=drop", *TOKENS], "set encoder.masked=token"),
        (["experiment=ijepa", "corruption=mask+crop", "corruption.crop.size=8", *TOKENS], "and crop is .8, 8.: set"),
        (["experiment=dino", "objective.dino.loss.balance.temperature=0.2"], "only attract each other"),
    ],
)
def test_what_cannot_work_is_refused_with_a_way_out(overrides, sentence):
    with pytest.raises(ValueError, match=sentence):
        graph = make(*overrides)
        graph(graph.corrupt(batch()))


@pytest.mark.parametrize("name", METHODS)
def test_no_gradient_enters_the_targets_and_the_rest_learns(name):
    graph = method(name)
    for step in range(3):
        graph.zero_grad()
        losses = graph(graph.corrupt(batch(), step=step))
        losses["loss"].backward()
        graph.follow(0.5)
    assert [n for n, p in graph.named_parameters() if p.requires_grad and p.grad is None] == []
    if graph.teacher is not None:
        assert all(p.grad is None for p in graph.teacher.parameters())


@pytest.mark.parametrize(
    "overrides",
    [
        ["experiment=simsiam", "objective.byol.projector=null", "objective.byol.predictor.out=32"],
        ["experiment=moco", "teacher=none", "objective.moco.projector=null", "objective.moco.loss.width=32"],
    ],
)
def test_an_encoder_that_is_its_own_teacher_gets_no_gradient_as_such(overrides, monkeypatch):
    graph = make(*overrides, "encoder.widths=[8]", "encoder.pool=2")
    loss = next(iter(graph.objective.terms.values())).loss
    seen = []
    monkeypatch.setattr(loss, "forward", lambda a, b: seen.append((a, b)) or a.sum())
    graph(graph.corrupt(batch()))
    assert seen and all(a.requires_grad and not b.requires_grad for a, b in seen)


@pytest.mark.parametrize("name", ["byol", "dino", "data2vec"])
def test_a_still_teacher_is_the_encoder_of_the_start(name):
    graph = method(name)
    graph.teacher.momentum = graph.teacher.final = 1.0
    views = graph.corrupt(batch())
    before = graph(views)["loss"]
    start = {k: v.clone() for k, v in graph.teacher.state_dict().items() if "num_batches" not in k}
    optimiser = torch.optim.SGD(graph.parameters(), lr=0.1)
    before.backward()
    optimiser.step()
    graph.follow(0.0)
    weights = dict(graph.teacher.named_parameters())
    assert all(torch.equal(start[k], v) for k, v in weights.items())
    graph.teacher.momentum = 0.0
    graph.follow(0.0)
    students = graph.teaching.learners
    for name, copy in graph.teacher.copies.items():
        for ours, theirs in zip(copy.parameters(), students[name].parameters(), strict=True):
            torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("view", ["mask", "multiblock"])
def test_it_sees_views_without_their_holes(view):
    """With the teacher equal to the encoder, the target of a masked view is the encoding of the clean sample."""
    graph = make("experiment=ijepa", f"corruption={view}", *TOKENS).eval()
    views = graph.corrupt(batch())
    standard = graph.normalized(views.views)
    targets = graph.teaching.targets(standard, {})
    assert views.views[view].mask.any()
    clean = graph.encode({"unknown": graph.normalize.of(views.clean)})["unknown"]
    torch.testing.assert_close(targets.latents[view].tokens, clean.tokens)


def test_data2vec_averages_its_last_blocks():
    graph = make("experiment=data2vec", "teacher.layers=2", *TOKENS).eval()
    views = graph.normalized(graph.corrupt(batch()).views)
    stem, trunk = graph.encoder.stem, graph.encoder.trunk
    view = views["mask"]._replace(x=views["mask"].unmasked, mask=None, cell=None, visible=None)
    tokens = stem([view])[0].values
    tokens = tokens + graph.encoder.view.table[0]
    outputs = []
    for block in trunk.blocks:
        tokens = block(tokens)
        outputs.append(F.layer_norm(tokens, (32,)))
    expected = (outputs[-1] + outputs[-2]) / 2
    torch.testing.assert_close(graph.teaching.targets(views, {}).latents["mask"].tokens, expected)


def test_the_loss_of_jepa_is_that_of_the_hole():
    graph = make("experiment=ijepa", "corruption=mask", *TOKENS).eval()
    corrupted = graph.corrupt(batch())
    views = graph.normalized(corrupted.views)
    latent = graph.encode(views)["mask"]
    target = graph.teaching.targets(views, {}).latents["mask"].tokens
    target = (target - target.mean(-1, keepdim=True)) / (target.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    said = graph.objective.terms["jepa"].predictor(latent)
    hidden = views["mask"].mask.unflatten(1, (4, 4)).unflatten(3, (4, 4)).transpose(2, 3).flatten(3).all(-1).flatten(1)
    error = (said - target).abs()
    error = torch.where(error < 1, error.square() / 2, error - 0.5).mean(-1)
    torch.testing.assert_close(graph(corrupted)["jepa/mask"], error[hidden].mean())


def test_byol_is_the_distance_of_the_normalised():
    graph = method("byol").eval()
    views = graph.corrupt(batch())
    latents = graph.encode(graph.normalized(views.views))
    term = graph.objective.terms["byol"]
    total = 0.0
    for a, b in (("crop_1", "crop_2"), ("crop_2", "crop_1")):
        q = F.normalize(term.predictor(term.projector(latents[a].pooled)), dim=1)
        k = F.normalize(term.projector(latents[b].pooled), dim=1)  # the teacher is still a copy
        total += (q - k).square().sum(1).mean() / 2
    torch.testing.assert_close(graph(views)["loss"], total)


def test_a_view_that_only_the_teacher_sees_is_not_encoded():
    graph = make("experiment=moco", "objective.moco.views=[crop_1]", "objective.moco.targets=[crop_2]")
    assert graph.students == ["crop_1"] and graph.teacher_views == ["crop_2"]
    losses = graph(graph.corrupt(batch()))
    assert [*losses] == ["loss", "moco/crop_1>crop_2"]


def test_small_crops_learn_from_large_ones_alone():
    graph = method("dino")
    assert graph.teacher_views == ["crop_1", "crop_2"]
    views = graph.corrupt(batch())
    assert views.views["crop_3"].x.shape == (16, 1, 8, 8)
    assert len(graph(views)) - 1 == 2 + 2 * 2


def test_padding_is_not_predicted():
    grid = GRIDS["text"]
    options = ["experiment=data2vec", "encoder.patch=1", "encoder.width=32", "encoder.depth=3", "encoder.heads=2"]
    graph = make(*options, "corruption.mask.cell=1", grid=grid).eval()
    x = sample(grid, 6).x
    valid = torch.arange(16) < 10
    valid = valid.expand(6, 16)
    other = torch.where(valid, x, (x + 1) % 3)
    losses = [graph(graph.corrupt(Batch(x, torch.arange(6), valid=valid)))["loss"] for x in (x, other)]
    torch.testing.assert_close(*losses)


def test_places_that_count_in_part_want_a_loss_that_weighs_them():
    options = ["corruption=mask", "objective=ibot", "objective.ibot.views=null", "encoder.patch=1"]
    graph = make("experiment=ibot", *TOKENS, *options, grid=GRIDS["text"])
    padded = batch(6, grid=GRIDS["text"])._replace(valid=torch.ones(6, 16, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"SelfDistillation counts all places alike.*objective=jepa"):
        graph(graph.corrupt(padded))


def test_views_without_holes_are_told_to_the_teacher_as_to_the_encoder():
    graphs = [make("corruption=crop+noise", "objective=byol", *some) for some in ([], ["teacher=ema"])]
    losses = [graph.eval()(graph.corrupt(batch())) for graph in graphs]
    torch.testing.assert_close(*losses)


def test_terms_meet_where_views_are_sampled():
    graph = make("corruption=crop+noise+lowres", "teacher=ema", "objective=byol", "views_per_step=2")
    for step in range(4):
        losses = graph(graph.corrupt(batch(12), step=step))
        assert torch.isfinite(losses["loss"]) and len(losses) > 2


def test_it_starts_as_the_encoder_whose_weights_were_loaded(tmp_path):
    small = ["trainer.max_steps=2", "batch_size=64", "probe=none", "corruption=crop+crop"]
    run(compose([*small, "objective=info_nce"]), str(tmp_path / "first"))
    start = ["objective=byol", "teacher=ema", f"init_from={tmp_path / 'first'}", "init_partial=true"]
    run(
        compose([*small, *start, "teacher.momentum=1", "teacher.final=1", "trainer.max_steps=3"]),
        str(tmp_path / "second"),
    )
    weights = read_weights(tmp_path / "second")
    first = read_weights(tmp_path / "first")
    name = "encoder.stages.0.0.conv1.weight"
    name = name if name in first else next(key for key in first if key.startswith("encoder.stages"))
    assert torch.equal(weights[f"teacher.copies.{name}"], first[name]) and not torch.equal(weights[name], first[name])
    model = ssl_pipeline.load(tmp_path / "second")
    x = torch.rand(4, 1, 8, 8)
    assert not torch.equal(model.embed(x, teacher=True), model.embed(x))
    with pytest.raises(ValueError, match="no teacher of its own"):
        ssl_pipeline.load(tmp_path / "first").embed(x, teacher=True)


@pytest.mark.parametrize(
    "name", ["moco", *(pytest.param(name, marks=pytest.mark.slow) for name in ("dino", "data2vec"))]
)
def test_a_run_resumes_exactly(name, tmp_path):
    """The teacher, the queue and the centre are part of what is saved."""
    options = [f"experiment={name}", "batch_size=64", "probe=none", "optimizer.warmup=0", "optimizer.final=1"]
    options += ["teacher.momentum=0.9", "teacher.final=0.9", "checkpoint.every_n_steps=100"]
    options += [*TOKENS, "encoder.patch=2"] if name == "data2vec" else ["encoder.widths=[8,16]"]
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    run(compose([*options, "trainer.max_steps=6"]), str(whole))
    run(compose([*options, "trainer.max_steps=4"]), str(parted))
    run(compose(["trainer.max_steps=6", f"resume={parted}"]), str(parted))
    expected, got = read_weights(whole), read_weights(parted)
    assert any(key.startswith("teacher.") for key in expected)
    for key, value in expected.items():
        assert torch.equal(value, got[key]), key
