"""Dealing a batch to views."""

from __future__ import annotations

import pytest
import torch

from ssl_pipeline.structures.view_assignment import assign_views

VIEWS = ("a", "b", "c", "d", "e")


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_every_sample_passes_m_views_and_every_view_is_there(m):
    dealt = assign_views(VIEWS, m, 20, "cpu", seed=0, step=3, rank=0)
    assert set(dealt.rows) == set(VIEWS)
    assert {len(rows) for rows in dealt.rows.values()} == {20 * m // 5}
    counts = torch.cat([*dealt.rows.values()]).bincount(minlength=20)
    assert counts.tolist() == [m] * 20


@pytest.mark.parametrize("m", [2, 3, 4])
def test_shared_rows_are_the_same_samples(m):
    x = torch.arange(20)
    dealt = assign_views(VIEWS, m, 20, "cpu", seed=0, step=1, rank=0)
    for a in VIEWS:
        for b in VIEWS:
            both = set(dealt.rows[a].tolist()) & set(dealt.rows[b].tolist())
            assert dealt.share_samples(a, b) is bool(both)
            if both:
                left, right = (dealt.shared(dealt.of(x, v), v, o) for v, o in ((a, b), (b, a)))
                assert left.tolist() == right.tolist()
                assert set(left.tolist()) == both


@pytest.mark.parametrize("m", [2, 3, 4])
def test_rows_apart_are_those_of_all_other_samples(m):
    x = torch.arange(20)
    dealt = assign_views(VIEWS, m, 20, "cpu", seed=0, step=1, rank=0)
    for pair in (("a", "b"), ("b", "e")):
        both = set(dealt.rows[pair[0]].tolist()) & set(dealt.rows[pair[1]].tolist())
        for view in VIEWS:
            rows = dealt.of(x, view)
            assert dealt.apart(rows, view, pair).tolist() == [row for row in rows.tolist() if row not in both]
    assert len(assign_views(VIEWS, 5, 7, "cpu", 0, 0, 0).apart(torch.arange(7), "a", ("a", "b"))) == 0


@pytest.mark.parametrize("m", [1, 2, 3, 5])
def test_groups_hold_the_same_samples_in_all_views_that_they_pass(m):
    x = torch.arange(20)
    dealt = assign_views(VIEWS, m, 20, "cpu", seed=0, step=1, rank=0)
    groups = dealt.by_group({view: dealt.of(x, view) for view in VIEWS})
    assert all(len(group) == m and len({tuple(rows.tolist()) for rows in group.values()}) == 1 for group in groups)
    assert sorted(torch.cat([next(iter(group.values())) for group in groups]).tolist()) == [*range(20)]


def test_which_views_meet_changes_with_the_step_and_not_with_the_rank():
    meetings = [assign_views(VIEWS, 2, 20, "cpu", 0, step, 0).order for step in range(10)]
    assert len(set(meetings)) > 1
    assert meetings == [assign_views(VIEWS, 2, 20, "cpu", 0, step, 1).order for step in range(10)]


def test_all_is_the_whole_batch():
    dealt = assign_views(VIEWS, 5, 7, "cpu", 0, 0, 0)
    assert dealt.rows is None
    assert dealt.of(torch.arange(7), "a").tolist() == list(range(7))


def test_what_is_over_is_left_out():
    dealt = assign_views(VIEWS, 2, 23, "cpu", 0, 0, 0)
    assert {len(rows) for rows in dealt.rows.values()} == {8}
    assert torch.cat([*dealt.rows.values()]).unique().numel() == 20


def test_every_view_needs_a_sample():
    with pytest.raises(ValueError, match="at least 5 samples on each device, got 4"):
        assign_views(VIEWS, 2, 4, "cpu", 0, 0, 0)


@pytest.mark.parametrize("m", [1, 2, 3])
def test_what_is_no_view_belongs_to_the_samples_of_all_groups(m):
    x = torch.arange(23)
    dealt = assign_views(VIEWS, m, 23, "cpu", seed=0, step=1, rank=0)
    text = dealt.of(x, "text")
    assert sorted(text.tolist()) == sorted(torch.cat([*dealt.rows.values()]).unique().tolist())
    for view in VIEWS:
        rows = dealt.of(x, view)
        assert dealt.share_samples("text", view) and dealt.share_samples(view, "text")
        assert dealt.shared(text, "text", view).tolist() == dealt.shared(rows, view, "text").tolist() == rows.tolist()
        assert set(dealt.apart(text, "text", ("text", view)).tolist()) == {*text.tolist()} - {*rows.tolist()}
        assert len(dealt.apart(rows, view, ("text", view))) == 0
    assert dealt.shared(text, "text", "action").tolist() == text.tolist()
