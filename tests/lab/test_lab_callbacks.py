"""What treats a graph in training: where it goes, and that forward passes and weights' names stay."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers.build import build
from helpers.cases import CALLBACKS, GRIDS
from helpers.graph_kinds import GRAPHS, QUERY, composed, graph_of
from helpers.graphs import batch
from helpers.lab_callbacks import NAMES, untouched
from torch import Tensor, nn

from ssl_pipeline.graph.graph_set import GraphSet
from ssl_pipeline.lab.callbacks import InverseDeltas, ProtectGradients, ProtectWeights
from ssl_pipeline.lab.callbacks.base import blocks
from ssl_pipeline.lab.layers import InverseDeltaLinear
from ssl_pipeline.structures.batch import Batch

every = pytest.mark.parametrize("case", CALLBACKS, ids=NAMES)


def loss_of(graph: Any, data: Batch) -> Tensor:
    torch.manual_seed(0)
    return graph(graph.corrupt(data))["loss"]


@every
@pytest.mark.parametrize("kind", GRAPHS)
def test_every_graph_is_treated_and_computes_what_it_did(case, kind):
    """But for the hooks and layers there is nothing new in it; its teacher is as it was."""
    options = case.options | {"parts": ("encoder", "decoder", "latent", "heads")}
    graphs, befores = GraphSet.of(graph_of(kind)), GraphSet.of(graph_of(kind))
    graph, before = graphs.module, befores.module
    made = case.build(**options)
    draws = torch.get_rng_state()
    if isinstance(made, InverseDeltas) and kind == "conv":
        with pytest.raises(ValueError, match=r"finds no nn\.Linear"):
            made.on_build(graphs)
        return
    made.on_build(graphs)
    assert torch.get_rng_state().equal(draws)
    assert [*graph.state_dict()] == [*before.state_dict()]
    assert [n for n, _ in graph.named_parameters()] == [n for n, _ in before.named_parameters()]
    grids = GRAPHS[kind][1]
    for (name, one), other in zip(graphs.items(), befores.values(), strict=True):
        data = batch(GRIDS[grids if len(graphs) == 1 else name], 8)
        loss, wanted = loss_of(one, data), loss_of(other, data)
        assert loss.detach().equal(wanted.detach())
        loss.backward()
        if one.teacher is not None:
            assert untouched(one.teacher)
    made.before_optimizer_step(graphs)
    made.after_step(graphs, 1)
    assert all(p.grad is None or p.grad.isfinite().all() for p in graph.parameters())
    assert all(p.isfinite().all() for p in graph.parameters())


@pytest.mark.parametrize(
    ("kind", "parts", "count"),
    [
        ("vit", ["encoder"], 3),
        ("conv", ["encoder"], 4),
        ("conv", ["encoder", "decoder"], 6),
        ("text", ["encoder", "latent", "decoder"], 6),
        ("contrast", ["heads"], 2),  # linear layers, since it has no blocks
        ("teacher", ["heads"], 4),
        ("timm vit", ["encoder"], 2),
        ("timm resnet", ["encoder"], 4),
        ("mixed", ["encoder"], 3),  # the trunk that two graphs share
        ("mixed", ["decoder"], 2),
    ],
)
def test_gradients_are_protected_behind_each_block(kind, parts, count):
    graphs = GraphSet.of(graph_of(kind))
    ProtectGradients(parts).on_build(graphs)
    assert sum(len(module._forward_hooks) for module in graphs.module.modules()) == count


@pytest.mark.parametrize("kind", ["vit", "conv", "timm vit", "timm resnet", "text"])
@pytest.mark.parametrize("sixteen", [False, True])
def test_behind_a_block_tokens_and_places_have_one_length(kind, sixteen):
    """Times their number, for they stand for a mean; under autocast too."""
    graph, found = graph_of(kind), []
    # It hears what leaves the block before the protection does, and so the gradient that leaves the protection.
    blocks(graph.encoder)[0].register_forward_hook(lambda block, x, y: y.register_hook(found.append) and None)
    ProtectGradients(eps=1e-9).on_build(GraphSet.of(graph))
    with torch.autocast("cpu", torch.bfloat16, enabled=sixteen):
        loss = loss_of(graph, batch(GRIDS[GRAPHS[kind][1]], 8))
    loss.backward()
    assert found
    for g in found:
        rows = g.float().movedim(1 if g.ndim == 4 else -1, -1).flatten(0, -2)
        rms = rows.square().mean(1).sqrt() * len(rows)
        torch.testing.assert_close(rms[rms > 0], torch.ones_like(rms[rms > 0]), rtol=2e-2, atol=0)


class Depthwise(nn.Module):
    """Tokens (B, N, C) through a convolution of their map, and out again, as in PVT v2."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.ModuleDict({"conv": nn.Conv2d(8, 8, 3, padding=1, groups=8)})

    def forward(self, x: Tensor) -> Tensor:
        return self.mix["conv"](x.mT.unflatten(2, (3, 4))).flatten(2).mT


def test_tokens_are_rows_also_where_a_block_makes_maps_of_them():
    graph, found = graph_of("vit"), []
    graph.encoder.trunk.blocks[0] = block = Depthwise()
    block.register_forward_hook(lambda block, x, y: y.register_hook(found.append) and None)
    ProtectGradients(mean=False).on_build(GraphSet.of(graph))
    y = block(torch.randn(2, 12, 8))
    (y * torch.randn(2, 12, 8)).sum().backward()
    torch.testing.assert_close(found[0].square().mean(-1), torch.ones(2, 12))


def test_inverse_deltas_replace_every_linear_layer_once():
    graphs = graph_of("mixed")
    InverseDeltas(["encoder", "decoder"], damping=0.5).on_build(graphs)
    first, second = (one.encoder.trunk for one in graphs.values())
    assert first is second and first.blocks[0].attn.qkv.damping == 0.5
    for one in graphs.values():
        linear = [m for part in (one.encoder, one.decoders) for m in part.modules() if isinstance(m, nn.Linear)]
        assert linear and all(isinstance(layer, InverseDeltaLinear) for layer in linear)
    assert not any(isinstance(m, InverseDeltaLinear) for one in graphs.values() for m in one.latent.modules())


def test_protection_and_inverse_deltas_go_together_in_any_order():
    for order in ((ProtectGradients, InverseDeltas), (InverseDeltas, ProtectGradients)):
        graph = graph_of("contrast")
        for make in order:
            make(["heads"]).on_build(GraphSet.of(graph))
        layers = [m for m in graph.objective.modules() if isinstance(m, nn.Linear)]
        assert layers and all(
            isinstance(layer, InverseDeltaLinear) and len(layer._forward_hooks) == 1 for layer in layers
        )


def test_weights_are_moved_only_at_their_steps():
    graph, made = graph_of("vit"), ProtectWeights(low=0.9, high=1.0, every=3)
    weight = graph.encoder.trunk.blocks[0].mlp.fc1.weight
    before = weight.detach().clone()
    made.after_step(GraphSet.of(graph), 2)
    assert weight.equal(before)
    made.after_step(GraphSet.of(graph), 3)
    assert torch.linalg.svdvals(weight.detach()).aminmax() == pytest.approx((0.9, 1.0), rel=1e-4)


def test_a_regulariser_goes_part_of_the_way():
    graph, made = graph_of("conv"), ProtectWeights(low=2.0, high=3.0, every=1, strength=0.25)
    weight = graph.encoder.stages[0][0].conv1.weight
    before = torch.linalg.svdvals(weight.detach().flatten(1))
    made.after_step(GraphSet.of(graph), 1)
    torch.testing.assert_close(torch.linalg.svdvals(weight.detach().flatten(1)), before + 0.25 * (2 - before))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ProtectGradients(["trunk"]), r"parts=\['trunk'\]: expected some of encoder, latent, decoder, heads"),
        (lambda: ProtectGradients([]), r"parts=\[\]"),
        (lambda: ProtectGradients(scale=None), "nothing to do"),
        (lambda: ProtectGradients(weights=0.0), "weights=0.0: expected a positive number"),
        (lambda: ProtectGradients(over="all"), "over='all' is not known"),
        (lambda: InverseDeltas(damping=-0.5), "damping=-0.5"),
        (lambda: ProtectWeights(low=2.0, high=1.0), "0 < low <= high"),
    ],
)
def test_options_that_cannot_be_are_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_a_traced_backbone_has_no_blocks_to_protect():
    graph = build(composed("encoder=torchvision", *QUERY), GRIDS["image"])
    with pytest.raises(ValueError, match=r"ProtectGradients finds no block that is called as a whole in encoder"):
        ProtectGradients().on_build(GraphSet.of(graph))


@pytest.mark.slow
def test_a_compiled_encoder_is_protected():
    gradients = []
    for compiled in (False, True):
        graph = graph_of("vit")
        ProtectGradients().on_build(GraphSet.of(graph))
        if compiled:
            graph.encoder.compile(backend="aot_eager")
        loss_of(graph, batch(GRIDS["image"], 8)).backward()
        gradients.append([p.grad for p in graph.encoder.parameters()])
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-6)
