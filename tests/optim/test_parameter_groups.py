"""What the groups of an optimiser hold, and the rates of layers."""

from __future__ import annotations

import re
from copy import deepcopy

import pytest
import torch
from helpers.build import build
from helpers.cases import ENCODERS, GRIDS
from helpers.graph_kinds import GRAPHS, QUERY, composed, graph_of
from helpers.optimizers import recipe
from timm.optim import param_groups_weight_decay  # pyright: ignore[reportPrivateImportUsage]

from ssl_pipeline.graph.graph_set import GraphSet
from ssl_pipeline.models.encoders import TimmBackbone
from ssl_pipeline.optim.recipe import Recipe, parameter_groups
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.training.plan import plan_run

SPARED = re.compile(r"(view\.table|latent\.queries|cls_token|pos_embed|marks)$")

# Groups


@pytest.mark.parametrize("maps_only", [False, True])
@pytest.mark.parametrize("layer_decay", [None, 0.75])
@pytest.mark.parametrize("kind", GRAPHS)
def test_groups_hold_every_trainable_parameter_once(kind, layer_decay, maps_only):
    graphs = GraphSet.of(graph_of(kind))
    graph, first = graphs.module, next(iter(graphs.values()))
    first.frozen = deepcopy(first.encoder).requires_grad_(False)
    first.encoder.view.table.requires_grad_(False)
    groups = parameter_groups(graph, 0.05, layer_decay, maps_only)
    held = [id(p) for group in groups for p in group["params"]]
    trainable = {id(p): p for p in graph.parameters() if p.requires_grad}
    assert len(held) == len(set(held)) and set(held) == set(trainable)
    copies = {id(p) for name, p in graph.named_parameters() if "frozen." in name or "teacher." in name}
    assert copies and not set(held) & copies and ("teacher" in kind) == (first.teacher is not None)
    spared = {p for name, p in graph.named_parameters() if p.ndim <= 1 or SPARED.search(name)}
    for group in groups:
        assert {p in spared for p in group["params"]} == {group["weight_decay"] == 0.0}
    assert groups[0]["lr_scale"] == 1.0
    keys = [(g["weight_decay"], g["lr_scale"], g["use_fallback"]) for g in groups]
    least = 5 if kind == "unet" else 8  # its encoder has no biases
    assert len(keys) == len(set(keys)) and len(keys) >= (2 if layer_decay is None else least)


SMALL_VIT = {"img_size": [8, 12], "patch_size": 4, "embed_dim": 24, "depth": 2, "num_heads": 2}
TIMM = {
    "vit_tiny_patch16_224": SMALL_VIT | {"reg_tokens": 2},
    "deit_tiny_distilled_patch16_224": SMALL_VIT,
    "beit_base_patch16_224": SMALL_VIT | {"use_rel_pos_bias": True},
    "swin_tiny_patch4_window7_224": {"img_size": [8, 12], "patch_size": 1, "window_size": 2, "embed_dim": 24},
    "xcit_nano_12_p8_224": {"img_size": [8, 12], "embed_dim": 24, "depth": 1, "num_heads": 2},  # names by a pattern
    "resnet10t": {},
}


@pytest.mark.parametrize("name", TIMM)
def test_what_timm_spares_is_spared(name):
    """And what a module within the network names, which timm's own groups do not ask for."""
    model = TimmBackbone(name=name, options=TIMM[name]).bind(GRIDS["image"], ("mask",)).model
    named = {where: getattr(module, "no_weight_decay", set)() for where, module in model.named_modules()}
    spared = [f"{where}.{name}".strip(".") for where, names in named.items() for name in names]
    theirs = param_groups_weight_decay(model, 0.05, no_weight_decay_list=spared)
    found = [
        {p: group["weight_decay"] for group in groups for p in group["params"]}
        for groups in (parameter_groups(model, 0.05), theirs)
    ]
    assert found[0] == found[1] and {*found[0].values()} == {0.0, 0.05}


def test_tables_and_tokens_are_no_maps():
    graph = graph_of("text")
    names = {p: name for name, p in graph.named_parameters()}
    apart = {names[p] for g in parameter_groups(graph, 0.05, maps_only=True) if g["use_fallback"] for p in g["params"]}
    matrices = {name for name in apart if graph.get_parameter(name).ndim > 1}
    assert matrices == {
        "encoder.stem.lookup.weight",
        "encoder.stem.ngrams.table.weight",
        "encoder.view.table",
        "latent.queries",
    }
    assert not any(g["use_fallback"] for g in parameter_groups(graph, 0.05))


def stem_and_blocks(kind: str, name: str) -> int | None:
    """Block of a parameter of the encoder, counted from 0, -1 in the stem; None outside of the encoder."""
    if not re.match(r"((image|text)\.)?encoder\.", name):
        return None
    last = {"conv": 3, "timm vit": 1, "timm resnet": 3}.get(kind, 2)
    if re.search(r"encoder\.(trunk\.|model\.)?norm\.", name):
        return last
    if kind == "conv" and (found := re.search(r"stages\.(\d)\.(\d)\.", name)):
        return 2 * int(found[1]) + int(found[2])
    if kind == "unet" and (found := re.search(r"levels\.(\d)\.", name)):  # of one block each
        return int(found[1])
    if kind == "timm resnet" and (found := re.search(r"model\.layer(\d)\.0\.", name)):
        return int(found[1]) - 1
    found = re.search(r"(trunk|model)\.blocks\.(\d)\.", name)
    return int(found[2]) if found else -1


@pytest.mark.parametrize("kind", GRAPHS)
def test_the_rate_falls_with_the_depth_of_a_layer(kind):
    graph = GraphSet.of(graph_of(kind)).module
    optimiser = recipe("adamw", "optimizer.layer_decay=0.5").optimizer(graph, 256)
    found = {p: group for group in optimiser.param_groups for p in group["params"]}
    n = {"conv": 4, "timm vit": 2, "timm resnet": 4}.get(kind, 3)
    seen = set()
    for name, parameter in graph.named_parameters():
        if not parameter.requires_grad:
            continue
        block = stem_and_blocks(kind, name)
        scale = 1.0 if block is None else 0.5 ** (n - block)
        group = found[parameter]
        assert group["lr_scale"] == pytest.approx(scale), name
        assert group["lr"] == pytest.approx(1e-3 * scale), name
        seen.add(block)
    assert seen >= {-1, *range(n)}


@pytest.mark.parametrize("case", [case for case in ENCODERS if case.name != "torchvision"], ids=lambda c: c.name)
def test_layers_hold_every_parameter_once(case):
    encoder = case.build(**case.options).bind(GRIDS[case.grids[0]], ("mask", "noise"))
    held = [id(p) for layer in encoder.layers() for p in layer]
    assert len(held) == len(set(held)) and set(held) == {id(p) for p in encoder.parameters()}


def test_an_encoder_that_cannot_tell_its_layers_is_refused():
    graph = build(composed("encoder=torchvision", *QUERY), GridSpec.of(("y", 32), ("x", 32), channels=3))
    recipe("adamw").optimizer(graph, 256)
    sentence = "TorchvisionBackbone does not tell its layers, which optimizer.layer_decay needs: "
    sentence += "set optimizer.layer_decay=null, or take encoder=vit, conv or timm"
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        recipe("adamw", "optimizer.layer_decay=0.75").optimizer(graph, 256)
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):  # and before data is read
        plan_run(composed("encoder=torchvision", *QUERY, "optimizer.layer_decay=0.75"))
    for encoder in ("timm", "vit", "conv"):
        plan_run(composed(f"encoder={encoder}", *QUERY, "optimizer.layer_decay=0.75"))


@pytest.mark.parametrize("value", [0, -0.5, 1.01])
def test_a_layer_decay_that_is_no_share_is_refused(value):
    sentence = f"optimizer.layer_decay={value}: expected a factor above 0 and up to 1, or null for one rate"
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        Recipe(make=torch.optim.AdamW, layer_decay=value)
    assert Recipe(make=torch.optim.AdamW, layer_decay=1.0).layer_decay == 1.0
