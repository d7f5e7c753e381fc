"""Planted faults are found and named; what is well is left in peace; looking changes nothing."""

from __future__ import annotations

import csv
import dataclasses
import itertools
import math
from functools import partial

import pytest
import torch
from helpers.build import build
from helpers.small_models import CONV, VIT
from torch import nn

from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import MemoryDataset, digits
from ssl_pipeline.diagnostics import (
    LossGradients,
    Numbers,
    Passed,
    StepSizes,
    Taps,
    batch_effects,
    changes,
    findings,
    layers_of,
    loss_gradients,
)
from ssl_pipeline.diagnostics.layers import input_share
from ssl_pipeline.diagnostics.rank import effective_ranks
from ssl_pipeline.diagnostics.step import Moved
from ssl_pipeline.models.encoders import Encoder
from ssl_pipeline.structures.batch import Latent
from ssl_pipeline.training import run


class Plain(Encoder):
    """Linear maps and ReLUs, and nothing that protects what passes them.

    Args:
        depth: maps.
        narrow: number of a map whose weights have rank 2; None for none.
        norm: batch statistics behind each map.
        residual: links around each map.
    """

    sees_masked = True

    def __init__(self, *, depth=10, width=64, narrow=None, norm=False, residual=False):
        super().__init__()
        self.width = self.embedding_width = width
        self.residual = residual
        self.depth_of_maps, self.narrow, self.normed = depth, narrow, norm

    def setup(self, grid, views):
        depth, width, narrow, norm = self.depth_of_maps, self.width, self.narrow, self.normed
        self.dense_shape = (1,) * grid.ndim
        sizes = [math.prod(grid.shape) * grid.width, *[width] * depth]
        self.maps = nn.ModuleList(nn.Linear(*pair) for pair in itertools.pairwise(sizes))
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) if norm else nn.Identity() for _ in self.maps)
        if narrow is not None:
            self.maps[narrow] = nn.Sequential(nn.Linear(width, 2), nn.Linear(2, width))

    def shape_of(self, cells):
        return self.dense_shape

    def forward(self, views, last=1):
        return {name: self._one(view.x.flatten(1)) for name, view in views.items()}

    def _one(self, x):
        for i, (layer, norm) in enumerate(zip(self.maps, self.norms, strict=True)):
            y = norm(layer(x)).relu()
            x = x + y if self.residual and i else y
        return Latent(x[:, None], x, dense_shape=self.dense_shape)


def pretrain(folder, *overrides, data=None, **options):
    """A run with the plain encoder, and its folder."""
    fixed = [
        "decoder=cross_attention",
        "decoder.width=32",
        "decoder.heads=2",
        "decoder.depth=1",
        "hardware.precision=32-true",
    ]
    config = compose(
        [*fixed, "probe=none", "batch_size=64", "diagnostics.every=20", "trainer.max_steps=60", *overrides]
    )
    config["encoder"] = {"_target_": f"{__name__}.Plain", **options}
    if data is not None:
        config["data"] = {"_target_": f"{__name__}.{data}"}
    return run(config | {"trust": [__name__]}, str(folder))


def numbers_of(folder, kind):
    """The last ones, by the rest of their names."""
    found = {}
    with (folder / "diagnostics.csv").open() as file:
        for row in csv.DictReader(file):
            if row["name"].startswith(f"{kind}/"):
                found[row["name"].removeprefix(f"{kind}/")] = float(row["value"])
    return found


def warned(capsys):
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: step")]


# Planted faults.


def test_vanishing_information_is_named(tmp_path, capsys):
    pretrain(tmp_path / "plain", "corruption=noise", "optimizer.lr=1e-4", depth=10)
    (said,) = [line for line in warned(capsys) if "encoder" in line.partition(":")[2].partition(",")[0]]
    share = numbers_of(tmp_path / "plain", "share")
    lost = next(name for name, value in share.items() if "encoder" in name and value < 1e-3)
    assert f"from {lost.removeprefix('noise/')} on" in said and "residual links" in said
    assert share["noise/encoder.maps.0"] > 0.1
    pretrain(tmp_path / "residual", "corruption=noise", "optimizer.lr=1e-4", depth=10, residual=True)
    assert not [line for line in warned(capsys) if "depends on the sample" in line and "encoder" in line]


def one_and_the_same():
    """A data set whose clean samples do not differ, so that nothing of the input need be known: a constant label."""
    data = digits()
    return dataclasses.replace(
        data, train=MemoryDataset(data.train[range(1)].x.expand(256, 1, 8, 8).clone()), test=None
    )


def test_a_constant_label_is_named(tmp_path, capsys):
    pretrain(
        tmp_path, "corruption=noise", "optimizer.lr=3e-3", "trainer.max_steps=200", depth=3, data="one_and_the_same"
    )
    said = "\n".join(warned(capsys))
    assert "from decoders.clean" in said or "from encoder.maps" in said
    assert "an energy that needs the input" in said


def test_a_bottleneck_is_named(tmp_path, capsys):
    pretrain(tmp_path, "corruption=noise", depth=3, narrow=1)
    said = [line for line in warned(capsys) if "effective rank" in line]
    assert len(said) == 1 and "encoder.maps.1.0 lets of noise pass an effective rank of " in said[0]
    assert "widen it" in said[0]
    rank = numbers_of(tmp_path, "rank")
    assert rank["noise/encoder.maps.1.1"] < 2.1 < 8 < rank["noise/encoder.maps.0"]


def test_activations_that_jump_with_the_batch_are_named(tmp_path, capsys):
    pretrain(tmp_path, "corruption=noise", depth=10, norm=True)
    said = [line for line in warned(capsys) if "other samples of the batch" in line]
    jump = numbers_of(tmp_path, "jump")
    assert len(said) == 1 and "norm=group" in said[0] and "encoder.maps." in said[0]
    assert jump["noise/encoder.maps.0"] == 0 < jump["noise/encoder.maps.1"] < jump["noise/encoder.maps.9"]


def test_a_dead_energy_is_named(tmp_path, capsys):
    words = ["corruption=crop+crop", "objective=reconstruct+info_nce", "objective.info_nce.weight=1e-9"]
    run(compose([*CONV, *words, *FAST]), str(tmp_path))
    (said,) = [line for line in warned(capsys) if "teaches the encoder nothing" in line]
    assert "info_nce/crop_1~crop_2 teaches" in said and "raise its weight" in said


FAST = ["batch_size=64", "diagnostics.every=20", "probe=none", "trainer.max_steps=60"]


def test_an_alarm_of_a_layer_can_end_the_run(tmp_path):
    with pytest.raises(ValueError, match=r"encoder\.maps\.1\.0 lets of noise pass .*widen it"):
        pretrain(tmp_path, "corruption=noise", "diagnostics.on_alarm=stop", depth=3, narrow=1)


# Numbers.


def test_share_of_the_input_is_variance_over_square():
    h = torch.randn(50, 7) * torch.arange(7) + 3
    expected = sum(float(h[:, f].var(unbiased=False)) for f in range(7)) / (float(h.square().sum()) / 50)
    assert float(input_share(h)) == pytest.approx(expected, rel=1e-5)
    assert float(input_share(torch.ones(4, 3))) == 0


@pytest.mark.parametrize("width", [10, 200])
def test_effective_rank_is_that_of_the_singular_values_about_the_mean(width):
    x = torch.randn(64, width) * torch.logspace(0, -1.2, width) + 9
    s = torch.linalg.svdvals((x - x.mean(0)).double())
    p = s[s >= 0.01 * s[0]] / s[s >= 0.01 * s[0]].sum()
    assert effective_ranks([x])[0] == pytest.approx(float(torch.exp(-(p * p.log()).sum())), rel=1e-3)
    low = torch.randn(64, 3) @ torch.randn(3, width)
    assert effective_ranks([low.bfloat16(), torch.ones(5, 2)])[0] < 3.1  # rounding adds no directions
    assert effective_ranks([torch.ones(5, 2)]) == [1.0]


def test_taps_hear_tokens_and_maps_alike():
    layers = {"conv": nn.Conv2d(3, 8, 1), "linear": nn.Linear(3, 8), "table": nn.Embedding(5, 8)}
    layers["linear"].load_state_dict({"weight": layers["conv"].weight[..., 0, 0], "bias": layers["conv"].bias})
    x, taps = torch.randn(6, 3, 4, 4), Taps(layers)
    with taps.listening():
        layers["conv"](x), layers["linear"](x.flatten(2).transpose(1, 2)), layers["table"](torch.arange(5)[:, None] % 5)
    heard = taps.passed()
    assert list(heard) == ["conv", "linear", "table"] and math.isnan(heard["table"].rank_in)
    assert heard["conv"].share == pytest.approx(heard["linear"].share, rel=1e-4)
    assert heard["conv"].rank == pytest.approx(heard["linear"].rank, rel=1e-3)
    assert heard["conv"].magnitude == pytest.approx(layers["conv"](x).square().mean().sqrt().log10().item(), abs=1e-4)
    layers["conv"](x + 1)  # nobody listens any more
    assert taps.passed()["conv"] == heard["conv"]


def test_changes_are_relative():
    before = {"a": torch.tensor([[3.0, 4.0]]), "b": torch.ones(1, 2)}
    assert changes({"a": torch.tensor([[3.0, 5.0]]), "c": torch.ones(1, 2)}, before) == {"a": pytest.approx(0.2)}


def test_a_step_is_measured():
    net = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net[0](torch.ones(2, 4)).square().sum().backward()
    old, gradient = net[0].weight.detach().clone(), net[0].weight.grad.clone()
    step = StepSizes(layers_of(net))
    step.before()
    optimizer.step()
    moved = step.after()
    assert list(moved) == ["0"]  # the other had no gradient
    assert moved["0"].update == pytest.approx(float(0.1 * gradient.norm() / old.norm()), rel=1e-4)
    assert moved["0"].gradient == pytest.approx(float(gradient.square().mean().sqrt().log10()), rel=1e-4)


def graph_of(*overrides):
    data = digits()
    return build(compose([*CONV, *overrides]), data.grid).eval(), data.train[range(24)]


def test_pulls_are_gradients_of_weighted_energies():
    graph, batch = graph_of("corruption=mask+noise", "objective=reconstruct+align", "objective.align.weight=0.5")
    views = graph.corrupt(batch, whole=True)
    found = loss_gradients(graph, views)
    assert found.names == ("reconstruct/mask", "reconstruct/noise", "align/mask~noise")
    assert all(p.grad is None for p in graph.parameters())
    weight = {"reconstruct/mask": 0.5, "reconstruct/noise": 0.5, "align/mask~noise": 0.5}
    expected = []
    for name in found.names:
        graph.zero_grad()
        (weight[name] * graph(views)[name]).backward()
        grads = [layer.weight.grad for layer in layers_of(graph.encoder).values()]
        expected.append(torch.cat([g.flatten()[:65_536] for g in grads]))
    norms = torch.stack([g.norm() for g in expected])
    assert torch.allclose(found.norms, norms, rtol=1e-3)
    cosine = torch.nn.functional.cosine_similarity(expected[0], expected[2], dim=0)
    assert float(found.cosines[0, 2]) == pytest.approx(float(cosine), abs=1e-3)


def test_many_edges_are_taken_by_term():
    views = "corruption=mask+noise+lowres+reversal"
    graph, batch = graph_of(views, "objective=reconstruct+align", "objective.align.weight=0.5")
    views = graph.corrupt(batch, whole=True)
    found = loss_gradients(graph, views)
    assert found.names == ("reconstruct", "align")
    losses = graph(views)
    total = sum(losses[edge.name] for edge in graph.edges["align"]) / 6 * 0.5
    grads = torch.autograd.grad(total, [layer.weight for layer in layers_of(graph.encoder).values()])
    assert float(found.norms[1]) == pytest.approx(float(torch.cat([g.flatten() for g in grads]).norm()), rel=1e-3)


def test_batch_effects_leave_the_statistics():
    graph, batch = graph_of("corruption=mask+noise")
    before = {name: value.clone() for name, value in graph.state_dict().items()}
    modes = [part.training for part in graph.modules()]
    views = graph.normalized(graph.corrupt(batch, whole=True).views)
    found = batch_effects(graph, views, graph.students, size=64)
    again = batch_effects(graph, views, graph.students, size=16)
    assert again["noise"]["encoder.stages.1.0.conv2"] == pytest.approx(2 * found["noise"]["encoder.stages.1.0.conv2"])
    assert found["noise"]["encoder.stem"] == 0 < found["noise"]["encoder.stages.1.0.conv2"]
    assert all(torch.equal(value, before[name]) for name, value in graph.state_dict().items())
    assert [part.training for part in graph.modules()] == modes
    group, _ = graph_of("corruption=mask+noise", "encoder.norm=group")
    group.encoder.standard = nn.Identity()
    assert batch_effects(group, views, group.students, size=64) == {}
    few_shot = {name: view.first(3) for name, view in views.items()}
    assert batch_effects(graph, few_shot, graph.students, size=64) == {}


# Sentences.


def found_in(**parts):
    return [*findings(Numbers({}, (64, 64), **parts))]


def test_what_recovers_is_not_lost():
    layer = partial(Passed, rank=20.0, rank_in=20.0, magnitude=0.0)
    assert found_in(passed={"mask": {"a": layer(0.5), "b": layer(1e-4), "c": layer(0.2)}}) == []
    (lost,) = found_in(passed={"mask": {"a": layer(0.5), "b": layer(1e-4), "c": layer(1e-5)}})
    assert lost.place == "b" and "from b on, only 1e-04 of what comes of mask" in lost.sentence


def test_gradients_and_steps_out_of_bounds():
    even = {"encoder.a": Moved(-3, 0, 0.01), "encoder.b": Moved(-5, 0, 0.01), "decoders.x.c": Moved(-20, 0, 0.0)}
    assert found_in(moved=even) == []
    bad = even | {"encoder.a": Moved(-12, 0, 0.3)}
    kinds = {finding.kind: finding for finding in found_in(moved=bad)}
    assert kinds.keys() == {"leaps", "uneven"} and kinds["uneven"].place == "encoder.a"
    assert "the gradient of encoder.a is 1e-7 of that of encoder.b" in kinds["uneven"].what


def test_an_energy_without_a_gradient_is_dead_and_a_conflict_is_none():
    cosines = torch.tensor([[1.0, -0.7], [-0.7, 1.0]])
    assert found_in(pulls=LossGradients(("a", "b"), torch.tensor([1.0, 2.0]), cosines)) == []
    (dead,) = found_in(pulls=LossGradients(("a", "b"), torch.tensor([0.0, 2.0]), torch.full((2, 2), float("nan"))))
    assert dead.kind == "dead" and dead.place == "a"


def test_no_number_is_no_loss_of_the_input_and_no_pull_at_all_is_said():
    layer = partial(Passed, rank=20.0, rank_in=20.0, magnitude=0.0)
    assert found_in(passed={"mask": {"a": layer(float("nan"))}}) == []
    (dead,) = found_in(pulls=LossGradients(("a", "b"), torch.zeros(2), torch.full((2, 2), float("nan"))))
    assert dead.what == "no energy teaches the encoder anything"
    logits = {"": {"decoders.clean.head": layer(1e-5)}}
    assert found_in(passed=logits, symbols=True) == [] and len(found_in(passed=logits)) == 1


def test_what_is_lost_further_and_further_up_is_the_same_fault():
    layer, keys = partial(Passed, rank=20.0, rank_in=20.0, magnitude=0.0), set()
    for lost in (3, 2, 1):
        layers = {f"l{i}": layer(1e-5 if i >= lost else 0.5) for i in range(5)}
        (found,) = found_in(passed={"mask": layers})
        assert found.place == f"l{lost}"
        keys.add(found.key)
    assert len(keys) == 1


# Other graphs.


@pytest.mark.parametrize("shape", [(16, 1024, 128), (16, 32, 64, 64)])
def test_all_channels_and_places_are_heard(shape):
    h = torch.randn(shape)
    h[..., 0] = 1  # a channel, or a border
    taps = Taps({})
    taps.hear("h", h, axis=-1 if h.ndim == 3 else 1)
    assert taps.passed()["h"].share == pytest.approx(float(input_share(h.flatten(1))), abs=0.05)


def test_rounding_under_autocast_adds_no_directions():
    x = torch.randn(64, 1) @ torch.randn(1, 200)
    with torch.autocast("cpu", torch.bfloat16):
        assert effective_ranks([x, x.bfloat16()])[0] == pytest.approx(1, abs=0.02)


def test_a_relaxed_consensus_teaches_by_its_loss():
    words = ["latent=slots", "latent.heads=2", "latent.fuse=relaxed", "corruption=mask+noise"]
    graph = build(compose([*VIT, *words, "objective=reconstruct+sigreg"]), digits().grid).eval()
    found = loss_gradients(graph, graph.corrupt(digits().train[range(24)], whole=True))
    assert found is not None and "consensus" in found.names and "reconstruct/latent" not in found.names
    assert found_in(pulls=found) == []


def test_an_encoder_that_does_not_learn_is_not_asked():
    graph, batch = graph_of("corruption=mask+noise")
    graph.encoder.stem.requires_grad_(False)
    views = graph.corrupt(batch, whole=True)
    assert loss_gradients(graph, views) is not None
    graph.encoder.requires_grad_(False)
    assert loss_gradients(graph, views) is None


@pytest.mark.parametrize("samples", [2, 3])
def test_a_look_at_very_few_samples(samples, tmp_path):
    run(compose([*CONV, *FAST, "corruption=mask+noise", f"diagnostics.samples={samples}"]), str(tmp_path))
    shares = numbers_of(tmp_path, "share")
    assert shares and all(0 <= share <= 1 for share in shares.values())


def test_early_words_are_no_fault(tmp_path, capsys):
    """A decoder of symbols first learns how frequent each is, which is the same for all samples."""
    words = ["experiment=bert", "encoder.width=32", "encoder.depth=1", "encoder.heads=2", "decoder.width=32"]
    words += ["decoder.depth=1", "decoder.heads=2", "data.windows.stride=128", "batch_size=32"]
    run(compose([*words, "probe=none", "diagnostics.every=20", "trainer.max_steps=60"]), str(tmp_path))
    assert warned(capsys) == []
