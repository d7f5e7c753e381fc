"""Losses whose second side is a target: each against a formula written out here, and what they remember."""

from __future__ import annotations

import math

import pytest
import torch
import yaml
from helpers.cases import LOSSES
from helpers.embeddings import pair
from helpers.paths import CONF

from ssl_pipeline.config.compose import compose
from ssl_pipeline.losses import NNCLR, Centering, MoCo, PairLoss, SelfDistillation, Sinkhorn
from ssl_pipeline.losses.memory_bank import Queue

DIRECTED = [case for case in LOSSES if issubclass(case.build, PairLoss) and case.build.directed]


def softmax(scores: list[float], temperature: float) -> list[float]:
    powers = [math.exp(s / temperature) for s in scores]
    return [p / sum(powers) for p in powers]


def met(loss: PairLoss, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The loss of two views, of which ``b`` is the teacher's."""
    return loss(a, loss.target(b))


def cosine(x: torch.Tensor, y: torch.Tensor) -> float:
    return float(x @ y / (x.norm() * y.norm()))


def cross_entropy(targets: list[list[float]], scores: torch.Tensor, temperature: float) -> float:
    total = 0.0
    for target, row in zip(targets, scores.tolist(), strict=True):
        total -= sum(p * math.log(q) for p, q in zip(target, softmax(row, temperature), strict=True))
    return total / len(targets)


def test_centring_is_dino():
    a, b = pair(5, 4)
    loss = SelfDistillation(Centering(4, momentum=0.75, temperature=0.5), temperature=0.8)
    centre = [0.0] * 4
    for scores in (b, a, b):
        targets = [softmax([s - c for s, c in zip(row, centre, strict=True)], 0.5) for row in scores.tolist()]
        assert met(loss, a, scores).item() == pytest.approx(cross_entropy(targets, a, 0.8), rel=1e-5)
        loss.remember(scores)
        mean = [sum(column) / 5 for column in scores.T.tolist()]
        centre = [0.75 * c + 0.25 * m for c, m in zip(centre, mean, strict=True)]


def test_sinkhorn_is_swav():
    a, b = pair(5, 4)
    q = [[math.exp(s / 0.5) for s in row] for row in b.tolist()]
    for _ in range(3):
        columns = [sum(row[k] for row in q) for k in range(4)]
        q = [[row[k] / columns[k] / 4 for k in range(4)] for row in q]
        q = [[v / sum(row) / 5 for v in row] for row in q]
    targets = [[5 * v for v in row] for row in q]
    loss = SelfDistillation(Sinkhorn(iterations=3, temperature=0.5), temperature=0.8)
    assert met(loss, a, b).item() == pytest.approx(cross_entropy(targets, a, 0.8), rel=1e-5)


def test_sinkhorn_gives_prototypes_equal_weight_where_all_prefer_one():
    scores = pair(60, 5)[1] / 9 + torch.tensor([1.0, 0, 0, 0, 0])
    codes = Sinkhorn(iterations=100)(scores)
    torch.testing.assert_close(codes.sum(1), torch.ones(60))
    torch.testing.assert_close(codes.sum(0), torch.full((5,), 12.0), rtol=1e-2, atol=0)
    assert (scores / 0.05).softmax(1).sum(0)[0] > 55


def test_balanced_codes_of_extreme_scores_are_finite():
    for balance in (Sinkhorn(), Centering(6)):
        assert torch.isfinite(balance(pair()[0] * 1e4)).all()


def test_queue_nce_is_moco():
    a, b = pair(4, 5)
    loss = MoCo(width=5, size=7, temperature=0.3)
    loss.remember(torch.randn(3, 5, generator=torch.Generator().manual_seed(1)))
    total = 0.0
    for query, key in zip(a, b, strict=True):
        found = math.exp(cosine(query, key) / 0.3)
        others = sum(math.exp(cosine(query, row) / 0.3) for row in loss.queue.rows)
        total -= math.log(found / (found + others))
    assert met(loss, a, b).item() == pytest.approx(total / 4, rel=1e-5)


def test_nearest_neighbour_is_nnclr():
    a, b = pair(4, 5)
    loss = NNCLR(width=5, size=7, temperature=0.3)
    loss.remember(torch.randn(3, 5, generator=torch.Generator().manual_seed(1)))
    total = 0.0
    for i, target in enumerate(b):
        nearest = max(loss.queue.rows, key=lambda row, target=target: cosine(row, target))
        scores = softmax([cosine(nearest, prediction) for prediction in a], 0.3)
        total -= math.log(scores[i])
    assert met(loss, a, b).item() == pytest.approx(total / 4, rel=1e-5)


def test_the_queue_is_a_ring():
    rows = torch.nn.functional.normalize(torch.randn(20, 3, generator=torch.Generator().manual_seed(1)), dim=1)
    queue, expected = Queue(7, 3), list(Queue(7, 3).rows)
    torch.testing.assert_close(queue.rows.norm(dim=1), torch.ones(7))
    place, start = 0, 0
    for batch in (3, 3, 3, 1, 7, 2):  # none but one divides 7
        part = rows[start % 13 : start % 13 + batch]
        queue.push(5 * part)
        for row in part:
            expected[place % 7] = row
            place += 1
        start += batch
        torch.testing.assert_close(queue.rows, torch.stack(expected))
    queue.push(rows)
    assert {tuple(r) for r in queue.rows.tolist()} == {tuple(r) for r in Queue.forward(queue, rows).tolist()}
    torch.testing.assert_close(queue.rows.sum(0), rows[-7:].sum(0))


@pytest.mark.parametrize("case", DIRECTED, ids=lambda c: c.name)
def test_the_target_gets_no_gradient_and_the_memory_may_move_before_the_backward_pass(case):
    loss, (a, b) = case.make(), pair()
    before = met(case.make(), a.requires_grad_(), b)
    before.backward()
    gradient, a.grad = a.grad, None
    value = met(loss, a, b)
    loss.remember(b)
    value.backward()
    assert gradient.abs().sum() > 0
    torch.testing.assert_close(a.grad, gradient)


@pytest.mark.parametrize("case", DIRECTED, ids=lambda c: c.name)
def test_memory_changes_the_next_step_and_goes_on_after_resume(case):
    loss, (a, b) = case.make(), pair()
    first = met(loss, a, b)
    loss.remember(b)
    resumed = case.make()
    resumed.load_state_dict(loss.state_dict())
    for step in (loss, resumed):
        step.remember(a)
    assert met(loss, a, b).item() == met(resumed, a, b).item()
    remembers = bool(loss.state_dict())
    assert remembers is not isinstance(getattr(loss, "balance", None), Sinkhorn)
    assert (met(loss, a, b).item() != first.item()) is remembers


@pytest.mark.parametrize("case", DIRECTED, ids=lambda c: c.name)
def test_nothing_is_remembered_outside_training(case):
    loss, (a, b) = case.make().eval(), pair()
    before = {key: value.clone() for key, value in loss.state_dict().items()}
    met(loss, a, b)
    loss.remember(b)
    assert all(value.equal(before[key]) for key, value in loss.state_dict().items())


@pytest.mark.parametrize("case", DIRECTED, ids=lambda c: c.name)
def test_half_precision_changes_nothing_that_matters(case):
    loss, (a, b) = case.make(), pair()
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(met(loss, a, b), met(loss, a, b).float())
        loss.remember(b.bfloat16())
        rough = met(loss, a, b)
    other = case.make()
    other.remember(b.bfloat16().float())
    torch.testing.assert_close(rough, met(other, a, b))


@pytest.mark.parametrize(
    ("loss", "sentence"),
    [
        (MoCo(width=5), "width 5 and was given 6: set width to that of the embeddings"),
        (NNCLR(width=5), "width 5 and was given 6: set width to that of the embeddings"),
        (SelfDistillation(Centering(5)), "5 prototypes and was given scores of 6: set count to"),
    ],
)
def test_another_width_is_refused(loss, sentence):
    with pytest.raises(ValueError, match=sentence):
        met(loss, *pair())


@pytest.mark.parametrize(
    ("build", "options"),
    [
        (MoCo, {"width": 0}),
        (MoCo, {"width": 4, "temperature": 0}),
        (NNCLR, {"width": 4, "size": 0}),
        (NNCLR, {"width": 4, "temperature": 0}),
        (SelfDistillation, {"balance": Sinkhorn(), "temperature": 0}),
        (Sinkhorn, {"iterations": 0}),
        (Centering, {"count": 4, "momentum": 2.0}),
        (Centering, {"count": 4, "temperature": 0}),
    ],
)
def test_settings_out_of_range(build, options):
    with pytest.raises(ValueError, match="expected"):
        build(**options)


def test_widths_follow_the_projector():
    found = compose(
        [
            "corruption=crop+crop",
            "objective=byol+moco+nnclr+dino",
            *(f"objective.{name}.projector.out=24" for name in ("byol", "moco", "nnclr")),
            "objective.dino.projector.count=40",
        ]
    )["objective"]
    assert found["byol"]["predictor"]["out"] == found["nnclr"]["predictor"]["out"] == 24
    assert found["moco"]["loss"]["width"] == found["nnclr"]["loss"]["width"] == 24
    assert found["dino"]["loss"]["balance"]["count"] == 40


@pytest.mark.parametrize("name", ["byol", "moco", "nnclr", "dino", "swav"])
def test_yaml_files_of_one_kind_are_alike(name):
    node = yaml.safe_load((CONF / "objective" / f"{name}.yaml").read_text())
    assert list(node) == ["type", "weight", "views", "targets", "projector", "predictor", "loss"]
