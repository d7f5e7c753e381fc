"""Spans of a text shrink to one mask token each."""

from __future__ import annotations

import math

import pytest
import torch
from helpers.short_texts import BYTES, END, MASK, TEXTS, WINDOW, read, texts
from helpers.views import seeded

from ssl_pipeline.corruptions import Infill
from ssl_pipeline.structures.batch import clean_view
from ssl_pipeline.structures.grid import GridSpec


def poisson(mean: float) -> list[float]:
    """Shares of 0 to 7."""
    return [math.exp(-mean) * mean**k / math.factorial(k) for k in range(8)]


@pytest.mark.parametrize("empty", [True, False])
def test_spans_shrink_to_one_mask_token_each(empty):
    grid = GridSpec.of(("position", 3000), vocab=258, mask_token=MASK, end_token=256)
    length = torch.tensor([3000, 2000, 1000, 300])
    x = torch.randint(0, 256, (4, 3000), generator=seeded())
    clean = clean_view(grid, x, torch.arange(3000) < length[:, None])
    view = Infill(ratio=0.3, span=3.0, empty=empty).bind(grid)(clean, seeded(1))
    masks = ((view.x == MASK) & view.valid).sum(1)
    assert (view.valid.sum(1) - masks).tolist() == [round(0.7 * n) for n in length.tolist()]
    torch.testing.assert_close(masks / length, torch.full((4,), 0.1), atol=0.025, rtol=0)
    assert view.mask is None and view.visible is None
    for i in range(4):
        row = view.x[i][view.valid[i]]
        place = view.source_coords[i, : len(row), 0] - 0.5
        left = row != MASK
        assert torch.equal(row[left], x[i][place[left].long()])
        assert (_span_lengths(row, place) >= (0 if empty else 1)).all()


@pytest.mark.parametrize(("empty", "shares"), [(True, poisson(3.0)), (False, [0.0, *poisson(2.0)])])
def test_spans_are_as_long_as_bart_and_t5_draw_them(empty, shares):
    grid = GridSpec.of(("position", 2000), vocab=258, mask_token=MASK)
    view = Infill(ratio=0.3, span=3.0, empty=empty).bind(grid)(clean_view(grid, torch.ones(64, 2000).long()), seeded(2))
    rows = zip(view.x, view.valid, view.source_coords[..., 0] - 0.5, strict=True)
    lengths = torch.cat([_span_lengths(row[valid], place[valid]) for row, valid, place in rows])
    assert len(lengths) > 10_000
    for size, share in enumerate(shares[:8]):
        assert (lengths == size).float().mean().item() == pytest.approx(share, abs=0.01), size


def test_no_empty_span_where_the_text_has_no_room():
    grid = GridSpec.of(("position", 8), vocab=258, mask_token=MASK)
    view = Infill(ratio=0.2, span=1.0).bind(grid)(clean_view(grid, torch.ones(500, 8).long()), seeded())
    assert (view.x.eq(1).logical_and(view.valid).sum(1) == 6).all()
    assert view.valid.sum(1).max() == 8


def _span_lengths(row: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """Walks along the text: a mask token's place is the middle of its span, that of an empty one before its place."""
    at, lengths = 0.0, []
    for symbol, middle in zip(row.tolist(), place.tolist(), strict=False):
        size = 1 if symbol != MASK else round(2 * (middle - at) + 1)
        if symbol == MASK:
            lengths.append(size)
        at += size
    return torch.tensor(lengths).float()


def test_infill_keeps_the_end_and_empty_texts():
    view = Infill(ratio=0.9).bind(BYTES)(texts(*TEXTS, WINDOW), seeded())
    found = read(view)
    assert [text[-1] for text in found[:6]] == ["$"] * 6 and found[2] == "$" and "$" not in found[6]
    assert all("_" in text for i, text in enumerate(found) if i != 2)
    assert (view.x[~view.valid] == END).all()
    ends = (view.x == END) & view.valid
    torch.testing.assert_close(view.source_coords[..., 0][ends] - 0.5, torch.tensor([float(len(t)) for t in TEXTS]))
