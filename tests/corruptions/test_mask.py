"""Holes: their shapes and numbers, what stands in them and what stood there."""

from __future__ import annotations

import pytest
import torch
from helpers.cases import GRIDS, sample
from helpers.views import EVERY, assert_same, seeded

from ssl_pipeline.corruptions import Chain, Mask, MultiBlock
from ssl_pipeline.corruptions._mask_shapes import Rectangles
from ssl_pipeline.structures.batch import unmasked_view
from ssl_pipeline.structures.grid import GridSpec


@pytest.mark.parametrize("shape", ["random", "block", "rectangles"])
@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.75, 0.99])
def test_mask_removes_whole_cells_in_exact_number(shape, ratio):
    grid = GRIDS["video"]
    view = Mask(ratio=ratio, cell=(1, 2, 4), shape=shape).bind(grid)(sample(grid), seeded())
    cells = view.mask.view(6, 4, 1, 4, 2, 3, 4).permute(0, 1, 3, 5, 2, 4, 6).flatten(1, 3).flatten(2)
    assert torch.equal(cells.all(2), cells.any(2))
    hidden = min(round(ratio * 48), 47)
    assert cells.all(2).sum(1).tolist() == [hidden] * 6
    assert view.visible == 48 - hidden and view.cell == (1, 2, 4)


def test_block_holes_hang_together():
    grid = GridSpec.of(("y", 32), ("x", 32), channels=1)

    def borders(shape: str) -> int:
        mask = Mask(ratio=0.5, cell=1, shape=shape).bind(grid)(sample(grid, 64), seeded()).mask
        return mask.diff(dim=1).sum().item() + mask.diff(dim=2).sum().item()

    assert borders("block") < 0.5 * borders("random")
    assert borders("rectangles") < 0.5 * borders("random")


@pytest.mark.parametrize("shape", ["random", "block"])
def test_mask_hits_all_cells_alike(shape):
    grid = GridSpec.of(("y", 6), ("x", 6), channels=1)
    mask = Mask(ratio=0.25, cell=1, shape=shape).bind(grid)(sample(grid, 4000), seeded()).mask
    torch.testing.assert_close(mask.float().mean(0), torch.full((6, 6), 0.25), rtol=0, atol=0.035)


def test_rectangles_are_boxes_of_the_size_and_aspect_asked_for():
    cells = (20, 40)
    boxes = Rectangles(3, (0.1, 0.2), (0.5, 2.0)).drawn(500, cells, None, seeded()).flatten(0, 1)
    height, width = boxes.any(2).sum(1), boxes.any(1).sum(1)
    assert torch.equal(boxes.sum((1, 2)), height * width)  # nothing of the bounding box is left out
    assert (boxes.any(2).diff(dim=1).sum(1) <= 2).all() and (boxes.any(1).diff(dim=1).sum(1) <= 2).all()
    low, high = ((height + r) * (width + r) / 800 for r in (-0.5, 0.5))  # sides are rounded
    assert (low <= 0.2).all() and (high >= 0.1).all()
    assert 0.14 < (height * width / 800).mean() < 0.16
    low, high = ((width - 0.5) / (height + 0.5) / 2, (width + 0.5) / (height - 0.5) / 2)  # a grid twice as wide
    assert (low <= 2.0).all() and (high >= 0.5).all() and (width / height).min() < 1.2 < 3.3 < (width / height).max()
    assert boxes.any(0).all()


@pytest.mark.parametrize("name", ["image", "video", "wave", "codes"])
@pytest.mark.parametrize("ratio", [0.2, 0.5, 0.9])
def test_holes_are_the_first_rectangles_cut_off_or_topped_up(name, ratio):
    grid = GRIDS[name]
    mask = Mask(ratio=ratio, cell=1, shape="rectangles").bind(grid)(sample(grid, 64), seeded()).mask
    boxes = Rectangles().drawn(64, grid.shape, None, seeded())  # the first that a mask draws
    hidden, cut = round(ratio * mask[0].numel()), 0
    for hole, mine in zip(mask, boxes, strict=True):
        union, whole = mine.any(0), 0
        assert hole.sum() == hidden
        assert not (hole & ~union).any() if union.sum() >= hidden else not (union & ~hole).any()
        cut += int(union.sum() > hidden)
        while whole < 4 and mine[: whole + 1].any(0).sum() <= hidden:
            whole += 1
        assert not (mine[:whole].any(0) & ~hole).any()
    assert cut == 64 if ratio == 0.2 else cut == 0 if ratio == 0.9 else 0 < cut < 64


@pytest.mark.parametrize(
    ("name", "cell", "expected"),
    [
        ("image", 1, (4, 6)),
        ("image", 2, (4, 6)),
        ("video", 1, (2, 4, 6)),
        ("wave", 1, (4,)),
        ("logmel", [None, 1], (8, 3)),
    ],
)
def test_one_rectangle_of_the_hole_s_size_is_the_hole(name, cell, expected):
    grid, ratio = GRIDS[name], {"wave": 0.125, "video": 0.125}.get(name, 0.25)
    mask = Mask(ratio=ratio, cell=cell, shape="rectangles", blocks=1, scale=ratio, aspect=1.0).bind(grid)
    mask = mask(sample(grid, 32), seeded()).mask
    corners = set()
    for hole in mask:
        where = hole.nonzero()
        assert tuple((where.amax(0) - where.amin(0) + 1).tolist()) == expected and len(where) == hole.sum()
        assert hole.sum() == torch.Size(expected).numel()
        corners.add(tuple(where.amin(0).tolist()))
    assert len(corners) > 4


def test_spans_stay_clear_of_padding():
    grid, valid = GRIDS["bytes"], (torch.arange(24) >= 4) & (torch.arange(24) < 12)
    view = sample(grid, 64)._replace(valid=valid.expand(64, 24))
    mask = Mask(ratio=0.5, cell=1, shape="rectangles", blocks=1, scale=0.5).bind(grid)(view, seeded()).mask
    real = mask[:, 4:12]
    assert (real.sum(1) == 4).all() and (torch.nn.functional.pad(real.int(), (1, 1)).diff().abs().sum(1) == 2).all()
    assert mask.sum(1).tolist() == [12] * 64


def test_holes_hold_the_mean_of_what_is_seen():
    grid = GRIDS["image"]
    clean = sample(grid)
    padded = clean._replace(valid=(torch.arange(12) < 8).expand(6, 8, 12))
    view = Mask(ratio=0.5).bind(grid)(padded, seeded())
    for i in range(6):
        seen = clean.x[i][:, ~view.mask[i] & padded.valid[i]].mean(1)
        torch.testing.assert_close(view.x[i][:, view.mask[i]], seen[:, None].expand(3, view.mask[i].sum()))
    torch.testing.assert_close(view.x.movedim(1, -1)[~view.mask], clean.x.movedim(1, -1)[~view.mask])


def test_holes_of_text_hold_the_mask_token():
    clean = sample(GRIDS["text"])
    view = Mask(ratio=0.5).bind(GRIDS["text"])(clean, seeded())
    assert torch.equal(view.x == 1, view.mask)
    assert torch.equal(view.x[~view.mask], clean.x[~view.mask])


def test_cells_as_long_as_an_axis_hide_spans_of_time_or_bands():
    grid = GRIDS["logmel"]
    spans = Mask(ratio=0.5, cell=[None, 3]).bind(grid)(sample(grid), seeded()).mask
    assert torch.equal(spans.all(1), spans.any(1)) and spans[:, 0].sum(1).tolist() == [6] * 6
    bands = Mask(ratio=0.5, cell=(2, None)).bind(grid)(sample(grid), seeded())
    assert torch.equal(bands.mask.all(2), bands.mask.any(2))
    assert bands.cell == (2, 12) and bands.visible == 2


@pytest.mark.parametrize("shape", ["random", "block", "rectangles"])
@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.9])
def test_padding_takes_part_in_holes_only_to_make_the_numbers_equal(shape, ratio):
    grid = GRIDS["bytes"]
    length = torch.tensor([0, 1, 2, 6, 13, 20, 24])
    valid = torch.arange(24) < length[:, None]
    view = Mask(ratio=ratio, cell=1, shape=shape).bind(grid)(sample(grid, 7)._replace(valid=valid), seeded())
    assert view.mask.sum(1).tolist() == [round(ratio * 24)] * 7 and view.visible == 24 - round(ratio * 24)
    expected = [min(max(round(ratio * n), 1), max(n - 1, 0)) for n in length.tolist()]
    assert (view.mask & valid).sum(1).tolist() == expected


def test_a_share_of_the_hole_is_random_or_kept():
    grid = GridSpec.of(("position", 4000), vocab=200, mask_token=199)
    clean = sample(grid, 4)
    view = Mask(ratio=0.5, random_share=0.2, keep_share=0.3).bind(grid)(clean, seeded())
    hole, before = view.x[view.mask], clean.x[view.mask]
    masked, kept = hole == 199, hole == before
    assert abs(masked.float().mean() - 0.5) < 0.02 and abs(kept.float().mean() - 0.3) < 0.02
    assert len(hole[~masked & ~kept].unique()) == 199
    assert torch.equal(view.x[~view.mask], clean.x[~view.mask]) and view.visible == 2000


@pytest.mark.parametrize(("cell", "expected"), [(2, (2, 2)), (4, None)])
def test_second_mask_unites_the_holes(cell, expected):
    grid = GRIDS["image"]
    once = Mask(ratio=0.5, cell=2).bind(grid)(sample(grid), seeded(1))
    second = Mask(ratio=0.5, cell=cell).bind(grid)
    alone, twice = second(sample(grid), seeded(2)), second(once, seeded(2))
    assert torch.equal(twice.mask, once.mask | alone.mask)
    assert twice.visible is None and twice.cell == expected


@pytest.mark.parametrize("name", list(GRIDS))
def test_intact_is_the_view_before_its_holes(name):
    grid = GRIDS[name]
    start = sample(grid)._replace(valid=torch.rand(6, *grid.shape) < 0.8, params={"before": torch.ones(6)})
    view = Mask(ratio=0.5).bind(grid)(start, seeded())
    assert not torch.equal(view.x, start.x)
    assert_same(unmasked_view(view), start, rtol=0, atol=0)
    assert unmasked_view(start) is start


@pytest.mark.parametrize(("case", "grid"), EVERY)
def test_only_further_holes_keep_what_stood_in_the_first(case, grid):
    chain = Chain(mask=Mask(ratio=0.5, cell=1), then=case.build(**case.options)).bind(grid)
    clean = sample(grid)
    view = chain(clean, seeded())
    if case.build in (Mask, MultiBlock):
        torch.testing.assert_close(unmasked_view(view).x, clean.x, rtol=0, atol=0)
        return
    assert view.unmasked is None and view.mask is not None
    with pytest.raises(ValueError, match=r"masked last.*mask it last"):
        unmasked_view(view)
