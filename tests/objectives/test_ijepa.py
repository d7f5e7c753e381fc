"""``experiment=ijepa``: what is predicted of the four targets, on one rank and on two, and that it learns."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from helpers.build import build
from helpers.cases import sample
from helpers.ranks import part

from ssl_pipeline.config.compose import compose
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.structures.batch import Batch, Latent
from ssl_pipeline.structures.grid import GridSpec

IMAGE = GridSpec.of(("y", 16), ("x", 16), channels=1)
SMALL = ["experiment=ijepa", "encoder.patch=2", "corruption.multiblock.cell=2", "encoder.width=16", "encoder.depth=1"]
SMALL += ["encoder.heads=2", "objective.jepa.predictor.width=16"]


@pytest.fixture(scope="module")
def start() -> Graph:
    torch.manual_seed(0)
    graph = build(compose(SMALL), IMAGE)
    for weight in graph.encoder.parameters():  # away from the teacher's
        weight.data.add_(0.1 * torch.randn_like(weight))
    return graph


@pytest.fixture
def graph(start) -> Graph:
    return deepcopy(start)


def batch(n: int = 8) -> Batch:
    return Batch(x=sample(IMAGE, n).x, source=torch.arange(n))


def smooth_l1(error: torch.Tensor) -> torch.Tensor:
    return torch.where(error.abs() < 1, error.square() / 2, error.abs() - 0.5)


def test_the_loss_is_that_of_four_predictions(graph):
    """Each from the context alone, of one target of one sample, in a pass of its own."""
    graph, losses = graph.eval(), []
    views = graph.corrupt(batch(), step=3)
    view = graph.normalized(views.views)["multiblock"]
    latent, predictor = graph.encode({"multiblock": view})["multiblock"], graph.objective.terms["jepa"].predictor
    assert latent.tokens.shape == (8, view.visible, 16)
    teacher, format_ = graph.teaching.parts
    clean = format_(teacher({"unknown": graph.normalize.of(views.clean)})["unknown"]).tokens
    clean = (clean - clean.mean(-1, keepdim=True)) / (clean.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    for sample_, targets in enumerate(view.target):
        mine = Latent(*(rows[sample_ : sample_ + 1] for rows in latent[:3]))
        for target in targets:
            patches = target[::2, ::2].flatten().nonzero().squeeze(1)
            said = predictor(mine, patches.unsqueeze(0))[0]
            losses += smooth_l1(said - clean[sample_, patches]).mean(1).tolist()
    assert len(losses) == 8 * 4 * view.target_cells
    torch.testing.assert_close(graph(views)["jepa/multiblock"], torch.tensor(losses).mean())


def test_what_is_hidden_and_no_target_counts_for_nothing(graph):
    graph = graph.eval()
    views = graph.corrupt(batch())
    state = graph.state(views)
    term, loss = graph.objective.terms["jepa"], graph(views)["loss"]
    nobodys = views.views["multiblock"].mask & ~views.views["multiblock"].target.any(1)
    assert nobodys.any()
    for hidden, changes in ((nobodys, False), (views.views["multiblock"].target[:, 0], True)):
        known = state.targets.latents["multiblock"]
        tokens = torch.where(hidden[:, ::2, ::2].flatten(1).unsqueeze(2), torch.randn(16), known.tokens)
        state.targets.latents["multiblock"] = known._replace(tokens=tokens)
        assert torch.equal(term(state)["jepa/multiblock"], loss) != changes


def test_two_ranks_take_their_shares_of_one_loss(graph):
    graph = graph.eval()
    views = graph.corrupt(batch())
    halves = [graph(part(views, rank, 2))["loss"] for rank in range(2)]
    torch.testing.assert_close(torch.stack(halves).mean(), graph(views)["loss"])
    sizes = set()
    for step in range(8):
        one, two = (graph.corrupt(batch(), 0, step, rank).views["multiblock"] for rank in range(2))
        assert one.target_cells == two.target_cells and not torch.equal(one.target, two.target)
        again = graph.corrupt(batch(), 0, step, 1, whole=True).views["multiblock"]
        assert torch.equal(again.mask, two.mask) and torch.equal(again.target, two.target)
        sizes.add(two.target_cells)
    assert len(sizes) > 1


def test_it_takes_five_steps(graph):
    optimizer = torch.optim.SGD([p for p in graph.parameters() if p.requires_grad], lr=0.1)
    numbers, losses = set(), []
    for step in range(5):
        views = graph.train().corrupt(batch(), step=step)
        losses.append(graph(views)["loss"])
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
        graph.follow(step / 5)
        numbers.add(views.views["multiblock"].visible)
    assert len(numbers) > 1 and losses[-1] < losses[0] and torch.stack(losses).isfinite().all()
    assert all(p.grad is not None for p in graph.parameters() if p.requires_grad)
