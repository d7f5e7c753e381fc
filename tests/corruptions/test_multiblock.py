"""The masks of I-JEPA: sizes and places of targets and context, what is seen, and what is to be predicted."""

from __future__ import annotations

import pytest
import torch
from helpers.cases import GRIDS, sample
from helpers.views import seeded

from ssl_pipeline.corruptions import Chain, Mask, MultiBlock, Noise, _blocks
from ssl_pipeline.corruptions._blocks import block_sides, context_cells, drawn_layout
from ssl_pipeline.models.layers import Patches
from ssl_pipeline.objectives.masked_patches import masked_patches
from ssl_pipeline.structures.batch import unmasked_view
from ssl_pipeline.structures.grid import GridSpec

SQUARE = GridSpec.of(("y", 14), ("x", 14), channels=1)  # as many cells as a ViT-B/16 has patches of 224 x 224


def fits(side: int, of: int, power: float) -> tuple[float, float]:
    """Between which aspects round(sqrt(of aspect ** power)) is ``side``; of heights the power is 1, of widths -1."""
    low, high = sorted((max(side + r, 1e-6) ** 2 / of) ** power for r in (-0.5, 0.5))
    return low, high


def is_of_the_paper(height: int, width: int) -> bool:
    """Whether some scale of 0.15 to 0.2 and aspect of 0.75 to 1.5 give these sides on 14 x 14 cells."""
    for area in range(int(0.15 * 196), int(0.2 * 196) + 1):
        (low, high), (least, most) = fits(height, area, 1.0), fits(width, area, -1.0)
        if max(low, least, 0.75) <= min(high, most, 1.5):
            return True
    return False


def test_a_thousand_draws_are_of_the_paper_s_sizes():
    block = MultiBlock(cell=1).bind(SQUARE)
    sizes = [block.for_step(seeded(seed)).sizes for seed in range(1000)]
    targets = {target for target, _ in sizes}
    assert all(is_of_the_paper(*target) for target in targets) and len(targets) > 5
    assert not is_of_the_paper(5, 8) and is_of_the_paper(8, 5)  # rather higher than wide, as in the paper
    assert {context for _, context in sizes} == {(13, 13), (14, 14)}


def test_blocks_of_a_thousand_samples_are_exact_and_alike_in_a_batch():
    clean, block, numbers = sample(SQUARE, 20), MultiBlock(cell=1).bind(SQUARE), set()
    for seed in range(50):
        step = block.for_step(seeded(seed))
        view = step(clean, seeded(seed + 1))
        for side, dim in zip(step.sizes[0], (3, 2), strict=True):
            assert (view.target.any(dim).sum(2) == side).all()
        assert (view.target.sum((2, 3)) == view.target_cells).all()  # nothing of a box is left out
        assert not (view.target & ~view.mask.unsqueeze(1)).any()  # no target is seen
        assert ((~view.mask).sum((1, 2)) == view.visible).all() and view.visible >= 10
        numbers.add(view.visible)
    assert len(numbers) > 10


def test_sides_on_other_grids_are_relative_to_the_grid_s():
    assert block_sides((14, 14), 0.85, 1.0) == (13, 13) and block_sides((7, 14), 0.85, 1.0) == (6, 13)
    assert block_sides((1, 30), 0.2, 1.5) == (1, 6) and block_sides((2, 4, 4), 0.15, 1.0) == (1, 2, 2)


def test_all_places_are_taken_alike():
    first = _blocks.corners(4000, 4, (5, 12), (14, 14), seeded()).flatten(0, 1)
    for axis, places in enumerate((10, 3)):
        counts = torch.bincount(first[:, axis]) / len(first)
        torch.testing.assert_close(counts, torch.full((places,), 1 / places), rtol=0, atol=0.02)


def test_the_context_keeps_the_first_cells_of_what_no_target_holds():
    block = MultiBlock(cell=1).bind(SQUARE).for_step(seeded(1))
    view = block(sample(SQUARE, 64), seeded(2))
    layout = drawn_layout(64, 4, block.sizes, (14, 14), 10, seeded(2))
    free = context_cells(layout.targets, layout.context, block.sizes, (14, 14))
    assert not (free & view.target.any(1)).any() and (free.sum((1, 2)) < free[0].numel() - view.target_cells + 1).all()
    assert view.visible == free.sum((1, 2)).min()
    for all_of, seen in zip(free.flatten(1), ~view.mask.flatten(1), strict=True):
        assert torch.equal(seen.nonzero(), all_of.nonzero()[: view.visible])
    assert (view.mask & ~view.target.any(1)).any((1, 2)).all()  # hidden, and not to be predicted


@pytest.mark.parametrize("tries", [0, 20])
def test_a_small_grid_leaves_context_enough(tries, monkeypatch):
    monkeypatch.setattr(_blocks, "TRIES", tries)
    grid, once = GridSpec.of(("y", 8), ("x", 8), channels=1), 0
    block = MultiBlock(cell=1, min_keep=24).bind(grid)
    for seed in range(10):
        view = block(sample(grid, 32), seeded(seed))
        assert view.visible >= 24 and not (view.target & ~view.mask.unsqueeze(1)).any()
        once += (view.target == view.target[:, :1]).flatten(1).all(1).sum().item()
    assert once > 50 if tries == 0 else once < 10  # the last resort: all targets in one place


@pytest.mark.parametrize("name", ["wave", "text"])
def test_on_one_axis_blocks_are_spans(name):
    grid = GRIDS[name]
    view = MultiBlock(cell=1).bind(grid)(sample(grid, 32), seeded())
    edges = torch.nn.functional.pad(view.target.int(), (1, 1)).diff().abs().sum(2)
    assert (edges == 2).all() and (view.target.sum(2) == view.target_cells).all()
    assert view.target_cells in range(int(0.15 * grid.shape[0]), int(0.2 * grid.shape[0]) + 1)
    if name == "text":
        assert torch.equal(view.x == grid.mask_token, view.mask)


def test_sizes_are_those_of_the_step_and_places_those_of_the_generator():
    block, clean = MultiBlock(cell=1).bind(SQUARE), sample(SQUARE, 8)
    one, other = (block.for_step(seeded(5))(clean, seeded(rank)) for rank in (1, 2))
    assert one.target_cells == other.target_cells and not torch.equal(one.target, other.target)
    chain = Chain(noise=Noise(), multiblock=MultiBlock(cell=1)).bind(SQUARE).for_step(seeded(5))
    assert chain.parts["multiblock"].sizes == block.for_step(seeded(5)).sizes
    assert block.sizes is None and len({block.for_step(seeded(seed)).sizes for seed in range(20)}) > 5


def test_targets_stay_where_they_are_through_further_masks_only():
    clean = sample(SQUARE, 8)
    block = MultiBlock(cell=1)
    for parts in ({"multiblock": block, "mask": Mask(cell=1)}, {"mask": Mask(), "multiblock": block}):
        view = Chain(**parts).bind(SQUARE)(clean, seeded())
        assert view.visible is None and view.target.any() and not (view.target & ~view.mask.unsqueeze(1)).any()
        whole = unmasked_view(view)
        assert torch.equal(whole.x, clean.x) and whole.target is None and whole.target_cells is None
    view = Chain(multiblock=MultiBlock(cell=1), noise=Noise()).bind(SQUARE)(clean, seeded())
    assert view.mask is not None and view.target is None and view.target_cells is None


def test_a_patch_stands_once_for_each_target_that_holds_it():
    patches = Patches(SQUARE, 1)
    view = MultiBlock(cell=2, min_keep=5).bind(SQUARE)(sample(SQUARE, 16), seeded())
    places, share = masked_patches(view, patches)
    assert share is None and places.shape == (16, 4 * 4 * view.target_cells)
    often = torch.zeros(16, 196).scatter_add_(1, places, torch.ones(places.shape))
    assert torch.equal(often, view.target.sum(1).flatten(1).float()) and often.max() > 1
    for block, mine in zip(
        view.target.flatten(0, 1).flatten(1), places.unflatten(1, (4, -1)).flatten(0, 1), strict=True
    ):
        assert torch.equal(block.nonzero().squeeze(1), mine)
    places, share = masked_patches(view._replace(cell=None), patches)
    assert places is None and torch.equal(share, often)
