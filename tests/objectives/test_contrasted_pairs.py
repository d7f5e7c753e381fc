"""Pairs of views: which there are, and what each is contrasted with."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from helpers.terms import VIEWS, joined, said, state

from ssl_pipeline.losses import InfoNCE
from ssl_pipeline.objectives import JointEmbedding
from ssl_pipeline.structures.view_assignment import assign_views


def test_a_pair_is_contrasted_with_all_samples_of_the_step():
    """Each embedding finds its partner among every other one, though only a quarter of the samples pass both views."""
    dealt, latents = assign_views(VIEWS, 2, 12, "cpu", 0, 3, 0), said(6)
    found = joined(JointEmbedding(loss=InfoNCE(0.3)), "info_nce")(state(latents, dealt))
    assert len(found) == 4
    sample = torch.cat([dealt.rows[view] for view in VIEWS])
    view = torch.arange(len(VIEWS)).repeat_interleave(6)
    z = F.normalize(torch.cat([latents[v].pooled for v in VIEWS]), dim=-1)
    log_p = ((z @ z.T) / 0.3).fill_diagonal_(float("-inf")).log_softmax(1)
    partner = ((sample[:, None] == sample) & (view[:, None] != view)).float().argmax(1)
    each = -log_p[torch.arange(24), partner]
    for name, value in found.items():
        a, b = (VIEWS.index(v) for v in name.removeprefix("info_nce/").split("~"))
        among = ((view == a) & (view[partner] == b)) | ((view == b) & (view[partner] == a))
        torch.testing.assert_close(value, each[among].mean())


def test_each_pair_has_a_hub():
    def pairs(anchors, views=VIEWS):
        term = joined(JointEmbedding(loss=InfoNCE(), anchors=anchors), "info_nce", views)
        return [edge.name.removeprefix("info_nce/") for edge in term.edges]

    assert pairs(["b"]) == ["a~b", "b~c", "b~d"]
    assert pairs(["a", "c"]) == ["a~b", "a~c", "a~d", "b~c", "c~d"]
    assert pairs(VIEWS) == pairs(None) and len(pairs(None)) == 6
    with pytest.raises(ValueError, match=r"info_nce\.anchors names e, and the views that meet are a, b, c, d"):
        pairs(["e"])
