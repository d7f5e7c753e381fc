"""Every loss: whether it prevents collapse, what it refuses, and two processes against one."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from helpers.cases import LOSSES
from helpers.embeddings import pair
from helpers.processes import in_two_processes

from ssl_pipeline.losses import (
    BarlowTwins,
    Charbonnier,
    InfoNCE,
    LogMSE,
    NormalizedPatches,
    PairLoss,
    SIGReg,
    SmoothL1,
    VICReg,
)


def test_collapse_costs_those_that_prevent_it():
    constant = torch.ones(8, 6)
    spread = F.normalize(pair()[0], dim=1) * 3

    def settled(case, z):
        loss = case.make()
        for _ in range(20):
            loss.remember(z)
        return loss(z, z)

    for case in LOSSES:
        if issubclass(case.build, PairLoss):
            better = settled(case, spread) < settled(case, constant) - 1e-3
            assert bool(better) is case.make().prevents_collapse, case.name


@pytest.mark.parametrize(
    ("build", "options"),
    [
        (InfoNCE, {"temperature": 0}),
        (VICReg, {"variance": -1}),
        (NormalizedPatches, {"eps": 0}),
        (SmoothL1, {"beta": 0}),
        (Charbonnier, {"eps": 0}),
        (LogMSE, {"eps": 0}),
        (BarlowTwins, {"off_diagonal": -1}),
        (SIGReg, {"weight": 2}),
        (SIGReg, {"knots": 1}),
    ],
)
def test_settings_out_of_range(build, options):
    with pytest.raises(ValueError, match=r"expected|negative"):
        build(**options)


def two_steps(name: str, part: slice) -> tuple[float, list, list]:
    """Loss, gradient and memory after two steps of the samples in ``part``, the views changing places."""
    loss = next(c for c in LOSSES if c.name == name).make()
    a, b = (z[part] for z in pair())
    others = pair(seed=7)[0][part]
    weight = torch.linspace(-1, 1, 36).view(6, 6).requires_grad_()
    total = torch.zeros(())
    for ours, theirs in ((a, b), (b, a)):
        target = theirs @ weight
        total = total + loss(ours @ weight, loss.target(target.detach()) if loss.directed else target)
        if loss.contrasts:
            total = total + loss(ours @ weight, target, others @ weight)
        loss.remember(target.detach())
    total.backward()
    return total.item(), weight.grad.tolist(), [v.double().flatten().tolist() for v in loss.state_dict().values()]


PAIRS = sorted({c.name for c in LOSSES if issubclass(c.build, PairLoss)})


def _halves(rank: int, queue) -> None:
    queue.put((rank, {name: two_steps(name, slice(4 * rank, 4 * rank + 4)) for name in PAIRS}))


@pytest.fixture(scope="module")
def halves() -> list[dict]:
    """By rank: what two processes find with half of the samples each."""
    return [found for _, found in in_two_processes(_halves)]


@pytest.mark.parametrize("name", PAIRS)
def test_two_processes_equal_one(name, halves):
    loss, gradient, memory = two_steps(name, slice(None))
    results = [found[name] for found in halves]
    # DDP averages what the ranks have: so does this.
    assert sum(r[0] for r in results) / 2 == pytest.approx(loss, rel=1e-5)
    mean = sum(torch.tensor(r[1]) for r in results) / 2
    torch.testing.assert_close(mean, torch.tensor(gradient), rtol=1e-4, atol=1e-6)
    for of_rank in (r[2] for r in results):
        assert len(of_rank) == len(memory)
        for theirs, ours in zip(of_rank, memory, strict=True):
            assert theirs == pytest.approx(ours, rel=1e-5, abs=1e-6)
