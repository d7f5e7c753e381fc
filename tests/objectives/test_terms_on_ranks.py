"""Terms on two processes give what they give on one."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from helpers.processes import in_two_processes
from helpers.terms import VIEWS, Spy, joined, said, state
from torch import nn

from ssl_pipeline.losses import NNCLR, Centering, MoCo, SelfDistillation, Sinkhorn, sinkhorn
from ssl_pipeline.objectives import TeacherPrediction
from ssl_pipeline.structures.batch import Latent
from ssl_pipeline.structures.view_assignment import assign_views

DIRECTED = {
    "centring": lambda: SelfDistillation(Centering(6)),
    "sinkhorn": lambda: SelfDistillation(Sinkhorn()),
    "queue": lambda: MoCo(6, 64),  # it holds more than two steps: which rows come first does not matter
    "neighbour": lambda: NNCLR(6, 64),
}


def step(name: str, part: slice) -> tuple[float, list, list]:
    """Loss, gradient and memory after two steps of four views, of which two are targets."""
    torch.manual_seed(0)
    term = TeacherPrediction(loss=DIRECTED[name](), projector=partial(nn.Linear, out_features=6), targets=["a", "b"])
    term, total = joined(term, name), torch.zeros(())
    for seed in (0, 1):
        latents = {v: Latent(z.tokens[part], z.pooled[part]) for v, z in said(8, seed=seed).items()}
        total = total + torch.stack([*term(state(latents)).values()]).sum()
    total.backward()
    memory = [sorted(v.double().flatten().tolist()) for v in term.loss.state_dict().values()]
    return total.item(), term.projector.weight.grad.tolist(), memory


def dealt_step(rank: int) -> tuple[list[str], list]:
    """Edges of a step whose rows are dealt by rank, and the codes of each target view."""
    term = joined(TeacherPrediction(loss=Spy(Sinkhorn())), "dino")
    found = term(state(said(6, seed=rank), assign_views(VIEWS, 2, 12, "cpu", 0, 3, rank)))
    return [*found], [sinkhorn(rows, 3, 0.05).tolist() for rows in term.loss.rows]


def _halves(rank: int, queue) -> None:
    whole = {name: step(name, slice(4 * rank, 4 * rank + 4)) for name in DIRECTED}
    queue.put((rank, whole, dealt_step(rank)))


@pytest.fixture(scope="module")
def halves():
    """By rank: what two processes find with half of the samples each, and with dealt rows."""
    return in_two_processes(_halves)


@pytest.mark.parametrize("name", DIRECTED)
def test_two_processes_equal_one(name, halves):
    loss, gradient, memory = step(name, slice(None))
    results = [whole[name] for _, whole, _ in halves]
    assert sum(r[0] for r in results) / 2 == pytest.approx(loss, rel=1e-5)
    mean = sum(torch.tensor(r[1]) for r in results) / 2
    torch.testing.assert_close(mean, torch.tensor(gradient), rtol=1e-4, atol=1e-6)
    for theirs, ours in zip(results[0][2] + results[1][2], memory * 2, strict=True):
        assert theirs == pytest.approx(ours, rel=1e-5, abs=1e-6)


def test_dealt_ranks_balance_the_same_views_together(halves):
    (_, _, (names, codes)), (_, _, (others, theirs)) = halves
    assert names == others and len(codes) == len(theirs) == 4
    latents, order = (said(6, seed=0), said(6, seed=1)), dict.fromkeys(name.split(">")[1] for name in names)
    for view, ours, other in zip(order, codes, theirs, strict=True):
        expected = sinkhorn(torch.cat([z[view].pooled for z in latents]), 3, 0.05)
        torch.testing.assert_close(torch.tensor(ours + other), expected)
