"""Crops: windows, their cells and what is told of them."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from helpers.cases import CONTINUOUS, GRIDS, sample
from helpers.views import STILL, coordinate_grid, coordinates_as_x, seeded
from scipy.stats import ks_2samp
from torchvision.transforms import RandomResizedCrop

from ssl_pipeline.corruptions import Crop, Echo, Mask, Reversal
from ssl_pipeline.corruptions._window import fractions
from ssl_pipeline.structures.batch import clean_view
from ssl_pipeline.structures.grid import GridSpec


@pytest.mark.parametrize("name", CONTINUOUS)
@pytest.mark.parametrize("size", [None, 4, 24])
@pytest.mark.parametrize("before", [Echo, Reversal, partial(Crop, **STILL)])
def test_origin_of_a_crop_is_where_its_cells_come_from(name, size, before):
    grid = coordinate_grid(name)
    first = before().bind(grid)
    start = coordinates_as_x(first(sample(grid), seeded(1)))
    view = Crop(size=size, resample=True, **{**STILL, "flip": 0.5}).bind(first.output_grid)(start, seeded(2))
    readings = [max(1, round(n / k)) for n, k in zip(grid.shape, view.x.shape[2:], strict=True)]
    for axis, k in enumerate(readings):
        where, clean = view.source_coords[..., axis], start.source_coords[..., axis].expand(6, *grid.shape).flatten(1)
        # at the border the image continues as a constant, its coordinates do not
        margin = (where.diff(dim=axis + 1).abs().amax((1, *range(2, where.ndim))) / 2 * (k - 1) / k).unsqueeze(1)
        flat = where.flatten(1)
        inner = (flat >= clean.amin(1, True) + margin) & (flat <= clean.amax(1, True) - margin)
        torch.testing.assert_close(view.x[:, axis].flatten(1)[inner], flat[inner], rtol=0, atol=2e-4)
        assert inner.float().mean() > 0.3


@pytest.mark.parametrize("name", ["wave", "image", "video"])
def test_told_box_is_the_window(name):
    grid = coordinate_grid(name)
    view = Crop(resample=True, **{**STILL, "flip": 0.5}).bind(grid)(sample(grid), seeded())
    for axis, (label, cells, spacing) in enumerate(grid.axes):
        centres = view.source_coords[..., axis].flatten(1)
        side = view.params[f"{label}_size"] * cells * spacing
        first = view.params[f"{label}_start"] * cells * spacing
        torch.testing.assert_close(centres.amin(1), first + side / cells / 2)
        torch.testing.assert_close(centres.amax(1), first + side - side / cells / 2)
        assert (view.params[f"{label}_start"] >= 0).all() and (first + side <= cells * spacing + 1e-4).all()


def test_window_has_the_scale_and_ratio_asked_for():
    grid = GRIDS["image"]
    params = Crop(scale=(0.1, 0.4), ratio=(0.5, 2.0)).bind(grid)(sample(grid, 2000), seeded()).params
    area, aspect = params["y_size"] * params["x_size"], params["x_size"] / params["y_size"]
    assert 0.1 <= area.min() < 0.11 and 0.39 < area.max() <= 0.4001
    assert 0.499 <= aspect.min() < 0.55 and 1.8 < aspect.max() <= 2.001
    assert abs(params["flip"].mean() - 0.5) < 0.05


@pytest.mark.parametrize("scale", [(0.2, 1.0), (0.08, 1.0), (0.6, 1.0)])
def test_windows_are_distributed_as_torchvisions(scale):
    grid = GridSpec.of(("y", 224), ("x", 224), channels=1)
    sides = fractions(scale, (3 / 4, 4 / 3), 2, 10_000, seeded())
    torch.manual_seed(0)
    image = torch.empty(1, *grid.shape)
    drawn = [RandomResizedCrop.get_params(image, [*scale], [3 / 4, 4 / 3]) for _ in range(10_000)]
    ours = [sides[0] * sides[1], sides[1] / sides[0]]
    theirs = torch.tensor([(h * w / 224**2, w / h) for _, _, h, w in drawn]).T
    for mine, other in zip(ours, theirs, strict=True):
        assert ks_2samp(mine, other).pvalue > 0.05


def test_a_window_that_never_fits_is_the_largest_of_its_aspect():
    params = Crop(scale=(0.9, 1.0), ratio=(2.0, 4.0)).bind(GRIDS["image"])(sample(GRIDS["image"], 8), seeded()).params
    assert (params["x_size"] == 1).all() and (params["y_size"] == 0.5).all()


def test_output_grid_keeps_the_extent_when_stretched_and_the_spacing_when_cut():
    grid = GRIDS["wave"]
    with pytest.raises(ValueError, match="a share of the cells up to 1"):
        Crop(size=14.0).bind(grid)
    stretched = Crop(size=8, resample=True).bind(grid).output_grid
    assert Crop(size=0.5, resample=True).bind(grid).output_grid.shape == tuple(round(n / 2) for n in grid.shape)
    cut = Crop(size=8, resample=False).bind(grid).output_grid
    assert (stretched.shape, stretched.axes[0].spacing) == ((8,), 2.0)
    assert (cut.shape, cut.axes[0].spacing) == ((8,), 0.5)


def test_a_spectrogram_is_cropped_in_time_only_and_keeps_its_cells():
    grid = GRIDS["logmel"]
    crop = Crop(jitter=0.0, size=6).bind(grid)
    view = crop(sample(grid), seeded())
    assert crop.output_grid.shape == (8, 6) and crop.output_grid.axes[1].spacing == 0.01
    assert not view.params["flip"].any() and (view.params["mel_size"] == 1).all() and view.params["time_size"].std() > 0
    for i in range(6):
        count, start = (round(float(view.params[f"time_{end}"][i]) * 12) for end in ("size", "start"))
        assert torch.equal(view.x[i, :, :, :count], sample(grid).x[i, :, :, start : start + count])
        assert view.valid[i].sum() == 8 * count
    both = Crop(axes=["mel", "time"]).bind(grid)(sample(grid), seeded()).params
    assert both["mel_size"].std() > 0


def test_chosen_axes_of_an_image_are_cropped():
    grid = GRIDS["image"]
    view = Crop(axes=["x"], scale=0.5, **STILL).bind(grid)(sample(grid), seeded())
    torch.testing.assert_close(view.params["x_size"], torch.full((6,), 0.5))
    assert (view.params["y_size"] == 1).all() and (view.params["y_start"] == 0).all()
    torch.testing.assert_close(view.source_coords[..., 0], sample(grid).source_coords[..., 0].expand(6, 8, 12))


def test_shrinking_averages():
    grid = GridSpec.of(("y", 16), ("x", 16), channels=1)
    stripes = (torch.arange(16) % 2).float().expand(2, 1, 16, 16)
    crop = Crop(size=4, scale=1.0, ratio=1.0, **STILL).bind(grid)
    torch.testing.assert_close(crop(clean_view(grid, stripes), seeded()).x, torch.full((2, 1, 4, 4), 0.5))


@pytest.mark.parametrize("name", ["image", "video", "wave"])
def test_hole_moves_with_the_crop(name):
    grid = GRIDS[name]
    masked = Mask(ratio=0.5, cell=2).bind(grid)(sample(grid), seeded(1))
    view = Crop(**{**STILL, "flip": 0.5}).bind(grid)(masked, seeded(2))
    spacing = torch.tensor([axis.spacing for axis in grid.axes])
    index = (view.source_coords / spacing - 0.5).round().long()
    for i in range(6):
        where = [index[i, ..., a].clamp(0, n - 1) for a, n in enumerate(grid.shape)]
        assert (view.mask[i] == masked.mask[i][tuple(where)]).float().mean() > 0.99
    assert view.cell is None and view.visible is None


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_cut_keeps_tokens_and_stays_in_the_text(flip):
    grid = GRIDS["text"]
    valid = torch.arange(16) < torch.tensor([3, 5, 8, 11, 13, 16])[:, None]
    clean = sample(grid)._replace(valid=valid)
    clean = clean._replace(x=clean.x.masked_fill(~valid, 0))
    view = Crop(scale=(0.3, 0.8), size=10, flip=flip).bind(grid)(clean, seeded())
    assert view.x.shape == (6, 10) and (view.valid.sum(1) >= 1).all() and not view.valid.all()
    for i in range(6):
        came_from = (view.source_coords[i, :, 0] - 0.5).long()[view.valid[i]]
        assert torch.equal(view.x[i][view.valid[i]], clean.x[i][came_from])
        assert set(came_from.diff().tolist()) <= {-1 if flip else 1}
    assert (view.x[view.valid] != 0).all() and (view.x[~view.valid] == grid.mask_token).all()
    assert torch.equal(view.valid.sum(1).float(), (view.params["position_size"] * 16).round())


def test_pure_shift_needs_no_padding():
    grid = GRIDS["wave"]
    clean = sample(grid)
    view = Crop(scale=1.0, size=20, jitter=0.0).bind(grid)(clean, seeded())
    assert view.valid is None
    starts = (view.params["time_start"] * 32).round().long().tolist()
    assert len(set(starts)) > 1
    for x, y, start in zip(clean.x, view.x, starts, strict=True):
        assert torch.equal(y, x[:, start : start + 20])
