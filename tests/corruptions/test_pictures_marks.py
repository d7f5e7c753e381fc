"""Marks over pictures, and pictures that are turned."""

from __future__ import annotations

import pytest
import torch
from helpers.views import coordinates_as_x, seeded

from ssl_pipeline.corruptions import Blocks, Chain, Crop, Overlay, Reversal, Scratches, Strokes, Turn
from ssl_pipeline.structures.batch import clean_view
from ssl_pipeline.structures.grid import GridSpec

GRID = GridSpec.of(("y", 64), ("x", 64), channels=3)
GREY = clean_view(GRID, torch.full((100, 3, 64, 64), 0.5))


def test_blocks_are_squares_of_their_fill():
    view = Blocks(count=1, side=0.25).bind(GRID)(GREY, seeded())
    covered = (view.x != 0.5).any(1)
    rows, columns = covered.any(2).sum(1), covered.any(1).sum(1)
    grey = view.params["fill.grey"].bool()
    assert (covered[grey].sum() == 0) and (rows[~grey] == 16).all() and (columns[~grey] == 16).all()
    black, noise = (view.x[view.params[f"fill.{name}"].bool()] for name in ("black", "noise"))
    assert (black == 0).flatten(1).sum(1).eq(3 * 16 * 16).all() and noise[noise != 0.5].std() > 0.28


@pytest.mark.parametrize(("aligned", "least", "most"), [(0.0, 0.0, 0.1), (0.5, 0.4, 0.65), (1.0, 1.0, 1.0)])
def test_blocks_are_aligned_in_a_share_of_samples(aligned, least, most):
    lost = Blocks(fills=["black"], count=20, side=0.125, aligned=aligned).bind(GRID)(GREY, seeded()).x[:, 0] == 0
    tiles = lost.unfold(1, 8, 8).unfold(2, 8, 8).flatten(3)
    assert least <= (tiles.all(-1) == tiles.any(-1)).flatten(1).all(1).float().mean() <= most


def test_scratches_are_thin_and_strokes_are_thick():
    one = Scratches(count=1, width=1.0).bind(GRID)(GREY, seeded()).x[:, 0]
    ink = ((one - 0.5).abs() * 2).sum((1, 2))
    assert (ink < 64 * 1.5).all() and (ink > 5).float().mean() > 0.9
    many = Scratches(count=(2, 16)).bind(GRID)(GREY, seeded())
    ink = (many.x[:, 0] - 0.5).abs().sum((1, 2))
    assert torch.corrcoef(torch.stack([ink, many.params["count"]]))[0, 1] > 0.8
    thick = Strokes(count=1, width=0.125).bind(GRID)(GREY, seeded()).x
    covered = (thick - 0.5).abs().amax(1) > 0.01
    inner = -torch.nn.functional.max_pool2d(-covered.float(), 5, stride=1)
    assert (inner.flatten(1).sum(1) > 0).float().mean() > 0.95


def test_strokes_have_no_beads():
    view = Strokes(count=1, width=0.05).bind(GRID)(GREY, seeded())
    cover = ((view.x - 0.5) / (view.x - 0.5).abs().amax((1, 2, 3), keepdim=True)).abs().amax(1)
    size = (cover > 0.2).flatten(1).sum(1)
    assert ((cover > 0.9).flatten(1).sum(1) > size / 3).float().mean() > 0.95


def test_overlay_writes_its_share_of_rows():
    some, all_of = (Overlay(ratio=r, size=0.11, opacity=1.0).bind(GRID)(GREY, seeded()).x for r in (0.3, 1.0))
    ink = torch.stack([(x != 0.5)[:, 0].float().mean((1, 2)) for x in (some, all_of)])
    assert 0.1 < ink[1].mean() < 0.35 and 0.25 < ink[0].mean() / ink[1].mean() < 0.5
    assert ((all_of != 0.5)[:, 0].any(2).sum(1) > 40).all()
    faint = Overlay(ratio=1.0, opacity=0.2).bind(GRID)(GREY, seeded()).x
    torch.testing.assert_close((faint - 0.5).abs().amax((1, 2, 3)), torch.full((100,), 0.1))


def test_turns_are_those_of_rot90_and_coordinates_follow():
    grid = GridSpec.of(("y", 12), ("x", 12), channels=2, range=(0.0, 100.0))
    clean = coordinates_as_x(clean_view(grid, torch.zeros(60, 2, 12, 12)))
    view = Turn(degrees=[0, 90, 180, 270], mirror=0.5).bind(grid)(clean, seeded())
    torch.testing.assert_close(view.x, view.source_coords.movedim(-1, 1))
    turned = torch.stack([view.params[f"turn.{degree}"] for degree in (0, 90, 180, 270)]).argmax(0)
    for clean_one, one, quarters, mirror in zip(clean.x, view.x, turned, view.params["mirror"], strict=True):
        wanted = clean_one.rot90(int(quarters), (1, 2))
        assert torch.equal(one, wanted.flip(2) if mirror else wanted)
    assert turned.unique().tolist() == [0, 1, 2, 3]


def test_masks_turn_too_and_keep_cells_that_are_square():
    grid = GridSpec.of(("y", 8), ("x", 8), channels=1)
    mask = torch.zeros(1, 8, 8, dtype=torch.bool)
    mask[:, :2, :4] = True
    clean = clean_view(grid, torch.zeros(1, 1, 8, 8))
    turn = Turn(degrees=[90]).bind(grid)
    long = turn(clean._replace(mask=mask, cell=(2, 4), visible=7), seeded())
    assert long.mask is not None and torch.equal(long.mask, mask.rot90(1, (1, 2)))
    assert (long.cell, long.visible) == (None, None)
    square = turn(clean._replace(mask=mask, cell=(2, 2), visible=14), seeded())
    assert (square.cell, square.visible) == ((2, 2), 14)


def test_a_crop_of_a_turned_picture_knows_its_place():
    grid = GridSpec.of(("y", 24), ("x", 24), channels=2, range=(0.0, 100.0))
    clean = coordinates_as_x(clean_view(grid, torch.zeros(20, 2, 24, 24)))
    still = Crop(scale=(0.3, 0.6), jitter=0.0, grayscale=0.0, blur=0.0)
    view = Chain(turn=Turn(), crop=still).bind(grid)(clean, seeded())
    torch.testing.assert_close(view.x, view.source_coords.movedim(-1, 1), rtol=0, atol=0.51)


def test_mirror_alone_is_a_reversal():
    grid = GridSpec.of(("y", 6), ("x", 9), channels=1)
    clean = clean_view(grid, torch.rand(4, 1, 6, 9, generator=seeded()))
    one, other = Turn(degrees=[0], mirror=1.0).bind(grid)(clean, seeded()), Reversal().bind(grid)(clean, seeded())
    assert torch.equal(one.x, other.x) and one.params == {}
    torch.testing.assert_close(one.source_coords, other.source_coords.expand_as(one.source_coords))
