"""Targets are balanced over all rows of a view, whichever of them a pair shares."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from helpers.build import build
from helpers.terms import VIEWS, Spy, joined, said, state

from ssl_pipeline.config.compose import compose
from ssl_pipeline.losses import SelfDistillation, Sinkhorn, sinkhorn
from ssl_pipeline.objectives import MaskedPrediction, TeacherPrediction
from ssl_pipeline.structures.batch import Batch, Latent
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.structures.view_assignment import assign_views


def test_each_target_is_balanced_once_over_all_rows_of_its_view():
    latents, term = said(12), joined(TeacherPrediction(loss=Spy(Sinkhorn()), targets=["a", "b"]), "dino")
    found = term(state(latents))
    assert len(found) == 6 and all(rows.equal(latents[v].pooled) for v, rows in zip("ba", term.loss.rows, strict=True))
    wanted = sinkhorn(latents["b"].pooled, 3, 0.05)
    torch.testing.assert_close(found["dino/c>b"], F.cross_entropy(latents["c"].pooled / 0.1, wanted))


def test_rows_are_dealt_out_after_the_target_was_made_of_all():
    dealt = assign_views(VIEWS, 2, 12, "cpu", 0, 3, 0)
    latents, term = said(6), joined(TeacherPrediction(loss=Spy(Sinkhorn())), "dino")
    found = term(state(latents, dealt))
    assert [len(rows) for rows in term.loss.rows] == [6] * 4 and len(found) == 8
    for name, value in found.items():
        a, b = name.removeprefix("dino/").split(">")
        wanted = dealt.shared(sinkhorn(latents[b].pooled, 3, 0.05), b, a)
        assert len(wanted) == 3
        expected = F.cross_entropy(dealt.shared(latents[a].pooled, a, b) / 0.1, wanted)
        torch.testing.assert_close(value, expected)


def test_tokens_are_balanced_over_all_places_of_a_view():
    tokens, wanted = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    term = MaskedPrediction(loss=SelfDistillation(Sinkhorn()), normalize=False, where="everywhere")
    student, teacher = ({"a": Latent(z, z.mean(1))} for z in (tokens, wanted))
    found = joined(term, "ibot", "a")(state(student, teacher=teacher))["ibot/a"]
    expected = F.cross_entropy(tokens.flatten(0, 1) / 0.1, sinkhorn(wanted.flatten(0, 1), 3, 0.05))
    torch.testing.assert_close(found, expected)


CROPS = [
    "corruption=crop+crop+crop+crop",
    "corruption.crop_3.size=0.5",
    "corruption.crop_4.size=0.5",
    "objective.swav.targets=[crop_1,crop_2]",
]


@pytest.mark.parametrize(
    ("overrides", "teacher"),
    [
        (["experiment=dino", "objective=swav", "objective.swav.targets=[crop_1,crop_2]"], True),
        (["experiment=swav", *CROPS], False),
    ],
    ids=["dino with sinkhorn", "swav with small crops"],
)
def test_codes_of_large_crops_are_for_all(overrides, teacher):
    """As the comments of ``conf/objective/dino.yaml`` and ``conf/experiment/swav.yaml`` say."""
    grid = GridSpec.of(("y", 16), ("x", 16), channels=1)
    graph = build(compose([*overrides, "encoder.widths=[8,8]"]), grid)
    corrupted = graph.corrupt(Batch(torch.rand(8, 1, 16, 16), torch.arange(8)))
    assert {name: view.x.shape[2] for name, view in corrupted.views.items()} == {
        "crop_1": 16,
        "crop_2": 16,
        "crop_3": 8,
        "crop_4": 8,
    }
    losses = graph(corrupted)
    losses["loss"].backward()
    assert len(losses) == 1 + 2 * 3 and {name[-6:] for name in losses if ">" in name} == {"crop_1", "crop_2"}
    assert (graph.teacher is not None) is teacher
    assert isinstance(graph.objective.terms["swav"].loss.balance, Sinkhorn)
