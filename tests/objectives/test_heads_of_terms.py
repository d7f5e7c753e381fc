"""Heads of terms: what passes them, and how wide they are."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from helpers.terms import joined, said, state
from torch import nn

from ssl_pipeline.losses import Centering, MoCo, SelfDistillation, Sinkhorn, SmoothL1
from ssl_pipeline.models.layers import Projector, Prototypes
from ssl_pipeline.objectives import MaskedPrediction, TeacherPrediction
from ssl_pipeline.structures.batch import Latent


class Counting(nn.Linear):
    """Counts its calls."""

    calls = 0

    def forward(self, z):
        self.calls += 1
        return super().forward(z)


def test_heads_see_each_view_once():
    own, copy = Counting(6, 4), Counting(6, 4)
    term = TeacherPrediction(loss=SelfDistillation(Centering(4)), projector=lambda _: own, targets=["a", "b"])
    joined(term, "dino")(state(said(), head=lambda _: copy))
    assert (own.calls, copy.calls) == (4, 2)


def test_padding_passes_no_head():
    """Loss and gradient are those of the places alone, normalised over themselves."""
    torch.manual_seed(0)
    head = Projector(hidden=5, out=4)
    term = joined(MaskedPrediction(loss=SmoothL1(), projector=head, normalize=False, where="everywhere"), "t", "a")
    valid = torch.arange(6) < torch.tensor([[6], [2], [1], [4]])
    tokens, wanted = torch.randn(4, 6, 6), torch.randn(4, 6, 6)
    tokens[~valid], wanted[~valid] = 1e3, -1e3
    student, teacher = ({"a": Latent(z.requires_grad_(), z.mean(1))} for z in (tokens, wanted))
    term(state(student, valid=valid, teacher=teacher))["t/a"].backward()
    rows = tokens.detach()[valid].requires_grad_()
    alone = F.smooth_l1_loss(term.projector(rows), term.projector(wanted[valid]).detach())
    alone.backward()
    torch.testing.assert_close(tokens.grad[valid], rows.grad)
    assert tokens.grad[~valid].eq(0).all() and wanted.grad is None and rows.grad.abs().sum() > 0
    torch.testing.assert_close(term(state(student, valid=valid, teacher=teacher))["t/a"], alone)


@pytest.mark.parametrize(
    ("head", "width"),
    [(Projector(7, 3).bind(5), 3), (Prototypes(7, 4, 9).bind(5), 9), (nn.Identity(), 5), (nn.Linear(5, 2), 2)],
)
def test_a_predictor_is_as_wide_as_the_head_before_it(head, width):
    seen = []
    term = TeacherPrediction(
        loss=SelfDistillation(Sinkhorn()),
        projector=lambda _: head,
        predictor=lambda n: seen.append(n) or nn.Linear(n, n),
    )
    term = joined(term, width=5)
    assert seen == [width] == [term.predictor(head(torch.randn(4, 5))).shape[1]]


def test_a_head_that_does_not_say_its_width_is_refused_where_it_matters():
    make = partial(TeacherPrediction, projector=lambda n: nn.Sequential(nn.Linear(n, 3)))
    assert joined(make(loss=SelfDistillation(Sinkhorn()))).edges
    with pytest.raises(ValueError, match="got Sequential: give it an attribute out_features"):
        joined(make(loss=SelfDistillation(Sinkhorn()), predictor=nn.Identity))


@pytest.mark.parametrize(
    ("kind", "loss", "sentence"),
    [
        (
            TeacherPrediction,
            MoCo(7),
            r"objective.x.loss.width is 7, .*projector gives 3 numbers: set objective.x.*width=3",
        ),
        (
            TeacherPrediction,
            SelfDistillation(Centering(4)),
            r"objective.x.loss.balance.count is 4, and .* set .*balance.count=3",
        ),
        (
            MaskedPrediction,
            SelfDistillation(Centering(4)),
            r"objective.x.loss.balance.count is 4, and .* set .*balance.count=3",
        ),
    ],
)
def test_another_width_is_refused_before_a_step(kind, loss, sentence):
    term = kind(loss=loss, projector=partial(nn.Linear, out_features=3))
    with pytest.raises(ValueError, match=sentence):
        joined(term, "x")
