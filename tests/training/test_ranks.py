"""Two processes, with whole weights or shards of them, train as one does: each loss with its heads and memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from helpers.build import build
from helpers.cases import GRIDS, sample
from helpers.paths import CONF
from helpers.processes import in_two_processes
from helpers.ranks import HOW, part
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.nn.modules.batchnorm import _BatchNorm

from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import MemoryDataset, train_loader
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.structures.batch import Column
from ssl_pipeline.structures.data_spec import ColumnInfo
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.training.fsdp import blocks_of, is_sharded
from ssl_pipeline.utils import distributed

OBJECTIVES = sorted({path.stem for path in (CONF / "objective").glob("*.yaml")} - {"none"})
GRIDS = GRIDS | {
    "photo": GridSpec.of(("y", 32), ("x", 32), channels=1),
    "wave": GridSpec.of(("time", 64, 0.01), channels=1, range=(-1.0, 1.0), signal=True),
}
SMALL = ["encoder=vit", "encoder.width=24", "encoder.depth=2", "encoder.heads=2", "encoder.view_drop=0"]
SMALL += ["encoder.patch=4", "probe=none", "batch_size=16"]
QUERY = ["decoder=cross_attention", "decoder.width=24", "decoder.depth=1", "decoder.heads=2"]
CELL = "corruption.mask.cell=4"
CROPS = "corruption=crop+crop"
MASKED = ["corruption=mask", "corruption.mask.ratio=0.5", CELL]
SPECIAL = {
    "cross_entropy": ("text", [*MASKED]),
    "stft": ("wave", ["corruption=noise", "objective=reconstruct+stft", "objective.stft.loss.sizes=[16,32]"]),
    "logmel": (
        "wave",
        ["corruption=noise", "objective=reconstruct+logmel", "objective.logmel.loss={n_fft: 32, hop: 8, mels: 4}"],
    ),
    "align": ("grey", [CROPS, "objective=align+sigreg"]),
    "translate": ("grey", ["corruption=noise+reversal", "objective=reconstruct+translate"]),
    "consistency": (
        "grey",
        [
            *("corruption=mask+noise", CELL, "objective=reconstruct+consistency"),
            "objective.consistency.loss=mse",
        ],
    ),
    "transition": ("grey", ["corruption=noise", "objective=reconstruct+transition"]),
    "perceptual": ("grey", ["corruption=noise", "objective=reconstruct+perceptual", "objective.perceptual.share=1"]),
    "jepa": ("grey", [*MASKED, "teacher=ema"]),
    "ibot": ("grey", [*MASKED, "teacher=ema", "encoder.masked=token", "objective=dino+ibot"]),
    **{name: ("grey", [CROPS, "teacher=ema"]) for name in ("byol", "dino", "moco", "swav")},
    **{name: ("grey", [CROPS]) for name in ("barlow", "info_nce", "nnclr", "sigreg", "vicreg")},
}
BALL = ["latent=slots", "latent.slots=2", "latent.heads=2", "latent.fuse=mean", "objective=reconstruct"]
CASES: dict[str, tuple[str, list[str]]] = {
    **{name: SPECIAL.get(name, ("grey", ["corruption=mask+noise", CELL])) for name in OBJECTIVES},
    "ball": ("grey", ["corruption=mask+noise", CELL, *BALL]),
    "edge": (
        "grey",
        [
            "corruption=mask+noise",
            CELL,
            "objective=reconstruct",
            "edge={a: {from: noise, to: text}, b: {from: [text, mask], to: clean}}",
        ],
    ),
    "multiblock": (
        "grey",
        [
            *("corruption=multiblock", "corruption.multiblock.cell=2", "encoder.patch=2"),
            *("objective=jepa", "teacher=ema"),
        ],
    ),
    "autoregressive": ("text", ["corruption=noise", "decoder=autoregressive", "objective=cross_entropy"]),
}
COLUMNS = {  # grids of what belongs to the samples besides themselves, and how many of it a sample has
    "transition": {
        "action": ColumnInfo(GridSpec.of(("component", 2), channels=1, range=(-1.0, 1.0)), steps=2),
        "next": ColumnInfo(GRIDS["grey"], steps=2),
    },
    "edge": {"text": ColumnInfo(GRIDS["text"])},
}
BACKBONES = {
    "conv": ["encoder=conv", "encoder.widths=[8,16]", "encoder.blocks=2"],
    "timm": ["encoder=timm", "encoder.name=resnet10t"],
    "timm_vit": [
        *("encoder=timm", "encoder.name=vit_tiny_patch16_224"),
        "+encoder.options={img_size: [32, 32], patch_size: 8, embed_dim: 24, depth: 2, num_heads: 2}",
    ],
    "torchvision": ["encoder=torchvision", "encoder.name=resnet18", "encoder.node=layer2"],
}
NOT_SHARDED = {("perceptual", "shards")}  # shard() refuses it
RATES = dict.fromkeys(("barlow", "vicreg", "nnclr", *BACKBONES), 0.005)  # of those whose small differences grow
STEPS = {name: 5 if name in BACKBONES else 24 for name in (*CASES, *BACKBONES)}  # batch statistics let them grow fast


def graph_of(name: str) -> Graph:
    """The graph of a case; those of losses without what looks at the other samples of its process."""
    torch.manual_seed(0)
    if name in BACKBONES:
        options = ["corruption=noise+noise", "objective=info_nce", "encoder.view_drop=0", "batch_size=16"]
        return build(compose([*BACKBONES[name], *options]), GRIDS["photo"])
    grid, options = CASES[name]
    objective = [] if any(o.startswith("objective=") for o in options) else [f"objective={name}"]
    decoder = (
        [o.replace("cross_attention", "autoregressive") for o in QUERY]
        if "decoder=autoregressive" in options
        else QUERY
    )
    config = compose([*SMALL, *decoder, *objective, *options])
    graph = build(config, GRIDS[grid], columns=COLUMNS.get(name))
    for module in graph.modules():
        for child, layer in module.named_children():
            if isinstance(layer, _BatchNorm):
                setattr(module, child, nn.Identity())
    return graph


def batches(name: str, rank: int = 0, world: int = 1) -> list:
    """As a run's sampler gives them to a rank."""
    columns = {
        column: Column(sample(known.grid, batch=16 * 7 * (known.steps or 1), seed=1).x)
        for column, known in COLUMNS.get(name, {}).items()
    }
    for column, known in COLUMNS.get(name, {}).items():
        if known.steps is not None:
            columns[column] = columns[column].of(lambda x: x.unflatten(0, (16 * 7, -1)))
    data = MemoryDataset(sample(GRIDS[CASES.get(name, ("photo",))[0]], batch=16 * 7).x, columns=columns)
    loader = train_loader(data, batch_size=16, seed=3, rank=rank, world=world, start=lambda: len(found))
    found: list = []
    while len(found) < STEPS[name]:
        found += loader
    return found[: STEPS[name]]


def trained(name: str, prepared: Callable[[Graph], nn.Module]) -> tuple[list[float], dict[str, Tensor]]:
    """Losses, the mean over ranks, and weights with all that is remembered, after some steps."""
    rank, world = distributed.rank(), distributed.world_size()
    graph, whole, mine = graph_of(name), batches(name), batches(name, rank, world)
    corrupted = [part(graph.corrupt(batch, 0, step), rank, world) for step, batch in enumerate(whole)]
    assert all(torch.equal(views.clean.x, batch.x) for views, batch in zip(corrupted, mine, strict=True))
    model, losses = prepared(graph), []
    optimizer = torch.optim.SGD(
        [p for p in graph.parameters() if p.requires_grad], lr=RATES.get(name, 0.02), momentum=0.9
    )
    for step, views in enumerate(corrupted):
        torch.manual_seed(step)
        loss = model(views)["loss"]
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(graph.parameters(), 1.0)
        optimizer.step()
        graph.follow(step / len(corrupted))
        losses.append(distributed.gather_plain(loss.detach().view(1)).mean().item())
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    return losses, get_model_state_dict(graph, options=options) if is_sharded(graph) else graph.state_dict()


def _as_rank(rank: int, queue: Any, names: list[str], path: str) -> None:
    torch.set_num_threads(1)
    found = {}
    for name in names:
        for how, prepared in HOW.items():
            try:
                found[name, how] = trained(name, prepared)
            except Exception as error:
                found[name, how] = repr(error)
    if rank == 0:
        torch.save(found, path)  # more than a queue holds
    queue.put((rank,))


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> dict:
    """What two processes have trained, by case and kind."""
    path = tmp_path_factory.mktemp("ranks") / "found.pt"
    in_two_processes(_as_rank, [*CASES, *BACKBONES], str(path), seconds=400)
    return torch.load(path, weights_only=True)


def same(ours: dict[str, Tensor], theirs: dict[str, Tensor], before: dict[str, Tensor]) -> None:
    """All weights and memories, which have moved since."""
    assert ours.keys() == theirs.keys()
    assert max((ours[key] - before[key]).abs().max() for key in ours if ours[key].is_floating_point()) > 5e-3
    for key in ours:
        a, b = (v[key].sort(0).values if key.endswith("queue.rows") else v[key] for v in (ours, theirs))
        torch.testing.assert_close(b, a, rtol=1e-3, atol=1e-4, msg=lambda m, k=key: f"{k}: {m}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "how"),
    [(name, how) for name in CASES for how in HOW if (name, how) not in NOT_SHARDED],
)
def test_two_processes_train_as_one(name, how, two):
    losses, weights = trained(name, lambda graph: graph)
    found = two[name, how]
    assert not isinstance(found, str), found
    assert found[0] == pytest.approx(losses, rel=1e-4)
    same(weights, found[1], graph_of(name).state_dict())


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_backbones_are_sharded_where_they_are_called(name, two):
    whole, shards = two[name, "whole"], two[name, "shards"]
    assert not isinstance(whole, str), whole
    assert not isinstance(shards, str), shards
    assert shards[0] == pytest.approx(whole[0], rel=1e-3)
    graph = graph_of(name)
    same(whole[1], shards[1], graph.state_dict())
    assert (len(blocks_of(graph, 1)) > 0) == (name != "torchvision")  # a traced one lies in one piece
