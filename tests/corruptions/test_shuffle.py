"""Windows in another order."""

from __future__ import annotations

import pytest
import torch
from helpers.cases import GRIDS, sample
from helpers.views import STILL, coordinate_grid, coordinates_as_x, seeded

from ssl_pipeline.corruptions import Chain, Crop, Mask, Shuffle


@pytest.mark.parametrize("name", ["wave", "image", "video", "codes"])
@pytest.mark.parametrize("window", [1, 3])
def test_shuffle_moves_whole_windows_of_each_sample(name, window):
    grid = GRIDS[name]
    clean = sample(grid)
    view = Shuffle(window=window).bind(grid)(clean, seeded(1))
    before, after = (z.reshape(6, -1, grid.shape[-1]).movedim(-1, 1) for z in (clean.x, view.x))
    whole = grid.shape[-1] // window * window
    assert torch.equal(before[:, whole:], after[:, whole:])
    orders = []
    for x, y in zip(before[:, :whole], after[:, :whole], strict=True):
        x, y = x.reshape(whole // window, -1), y.reshape(whole // window, -1)
        same = (x[:, None] == y[None]).all(2)
        assert (same.sum(0) == 1).all() and (same.sum(1) == 1).all()
        orders.append(same.float().argmax(0).tolist())
    assert len({tuple(order) for order in orders}) > 1


@pytest.mark.parametrize("axis", ["y", "x"])
def test_origin_and_holes_move_with_the_windows(axis):
    grid = coordinate_grid("image")
    masked = coordinates_as_x(Mask(ratio=0.5, cell=2, fill=0.0).bind(grid)(sample(grid), seeded(1)))
    view = Shuffle(window=4, axis=axis).bind(grid)(masked, seeded(2))
    torch.testing.assert_close(view.x.movedim(1, -1), view.source_coords)
    assert not torch.equal(view.source_coords, masked.source_coords.expand_as(view.source_coords))
    came_from = (view.source_coords - 0.5).round().long()
    for i in range(6):
        assert torch.equal(view.mask[i], masked.mask[i][came_from[i, ..., 0], came_from[i, ..., 1]])
    assert (view.cell, view.visible) == ((2, 2), 12)
    assert Shuffle(window=3).bind(grid)(masked, seeded()).cell is None


def test_windows_with_padding_stay():
    grid = GRIDS["logmel"]
    clean = sample(grid, 32)._replace(valid=(torch.arange(12) < 8).expand(32, 8, 12))
    view = Shuffle(window=3).bind(grid)(clean, seeded())
    assert torch.equal(view.x[..., 6:], clean.x[..., 6:]) and torch.equal(view.valid, clean.valid)
    swapped = (view.x[..., :3] == clean.x[..., 3:6]).flatten(1).all(1)
    assert 8 < swapped.sum() < 24


@pytest.mark.parametrize("name", ["image", "wave"])
def test_crop_of_a_shuffled_sample_knows_where_its_cells_come_from(name):
    grid = coordinate_grid(name)
    chain = Chain(shuffle=Shuffle(window=2), crop=Crop(resample=False, **STILL)).bind(grid)
    view = chain(coordinates_as_x(sample(grid)), seeded())
    real = torch.ones(view.x.shape[:1] + grid.shape, dtype=torch.bool) if view.valid is None else view.valid
    torch.testing.assert_close(view.x.movedim(1, -1)[real], view.source_coords[real])
