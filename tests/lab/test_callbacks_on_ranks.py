"""Callbacks on two processes do what they do on one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from helpers.build import build
from helpers.cases import CALLBACKS, GRIDS, CallbackCase
from helpers.graph_kinds import QUERY, VIT, composed
from helpers.graphs import batch
from helpers.lab_callbacks import NAMES
from helpers.processes import in_two_processes
from helpers.ranks import HOW, part
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.tensor import DTensor

from ssl_pipeline.graph.graph_set import GraphSet

RANKED = [*VIT, "encoder.depth=2", "encoder.view_drop=0", *QUERY, "corruption=noise"]


def whole(gradient: Tensor) -> Tensor:
    return gradient.full_tensor() if isinstance(gradient, DTensor) else gradient.clone()


def trained(case: CallbackCase, how: str | None = None) -> tuple[Mapping[str, Any], dict[str, Tensor]]:
    """Weights after three steps, and their first gradients."""
    rank, world = (torch.distributed.get_rank(), 2) if how else (0, 1)
    torch.manual_seed(0)
    graph = build(composed(*RANKED), GRIDS["image"])
    made = case.build(**case.options)
    made.on_build(GraphSet.of(graph))
    views = part(graph.corrupt(batch(GRIDS["image"], 8)), rank, world)
    model = HOW[how](graph) if how else graph
    optimiser, gradients = torch.optim.SGD(graph.parameters(), 0.5), {}
    for step in range(1, 4):
        optimiser.zero_grad()
        model(views)["loss"].backward()
        made.before_optimizer_step(GraphSet.of(graph))
        if step == 1:
            gradients = {name: whole(p.grad) for name, p in graph.named_parameters() if p.grad is not None}
        nn.utils.clip_grad_norm_(graph.parameters(), 1.0)
        optimiser.step()
        made.after_step(GraphSet.of(graph), step)
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    return get_model_state_dict(graph, options=options) if how == "shards" else graph.state_dict(), gradients


def _as_rank(rank: int, queue: Any, path: str) -> None:
    torch.set_num_threads(1)
    found = {}
    for i, case in enumerate(CALLBACKS):
        for how in HOW if case.build.shards else ["whole"]:
            found[i, how] = trained(case, how)
    if rank == 0:
        torch.save(found, path)
    queue.put((rank,))


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> dict:
    """What two processes have trained."""
    path = tmp_path_factory.mktemp("ranks") / "found.pt"
    in_two_processes(_as_rank, str(path), seconds=300)
    return torch.load(path, weights_only=True)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(CALLBACKS)), ids=NAMES)
def test_two_processes_train_as_one(number, two):
    case = CALLBACKS[number]
    weights, gradients = trained(case)
    for how in HOW if case.build.shards else ["whole"]:
        found, firsts = two[number, how]
        for key, value in weights.items():
            torch.testing.assert_close(found[key], value, rtol=1e-3, atol=1e-4, msg=lambda m, k=key: f"{k}: {m}")
        for key, value in gradients.items():
            atol = max(1e-4 * float(value.abs().max()), 1e-7)  # a bias gets the mean, which over the batch is 0
            torch.testing.assert_close(firsts[key], value, rtol=1e-3, atol=atol, msg=lambda m, k=key: f"{k}: {m}")
