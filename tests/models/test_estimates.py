"""What is told of a sample without learning: below its noise, over its flat places, between its repeated cells."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from ssl_pipeline.corruptions import Jpeg
from ssl_pipeline.models.estimates import DctShrinkage, FlatFilling, RunInterpolation
from ssl_pipeline.models.layers.unet import folded
from ssl_pipeline.structures.batch import clean_view
from ssl_pipeline.structures.grid import GridSpec

AXES = [(("x", 256),), (("y", 32), ("x", 24)), (("time", 12), ("y", 16), ("x", 16))]
GRIDS = [GridSpec.of(*axes, channels=2) for axes in AXES]


def smooth(grid, batch=3):
    """Waves along each axis, of two channels."""
    x = sum(
        torch.sin(2 * torch.linspace(0, 1, n)).view(-1, *(1,) * (grid.ndim - 1 - axis))
        for axis, n in enumerate(grid.shape)
    )
    return torch.stack([x, -x]).expand(batch, -1, *grid.shape).clone()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: str(grid.ndim))
def test_nothing_is_lost_below_a_threshold_of_zero(grid, training):
    x = torch.randn(2, 2, *grid.shape)
    (made,) = DctShrinkage(grid, [0.0]).train(training)(x)
    torch.testing.assert_close(made, x, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: str(grid.ndim))
def test_noise_of_any_strength_is_found_and_shrunk(grid):
    torch.manual_seed(0)
    x, shrinkage = smooth(grid), DctShrinkage(grid, [2.7]).eval()
    strength = torch.tensor([0.2, 0.5, 1.0]).view(-1, *(1,) * (x.ndim - 1))
    (made,) = shrinkage(x + strength * torch.randn_like(x))
    error = (made - x).flatten(1).pow(2).mean(1).sqrt()
    assert (error < 0.5 * strength.flatten()).all() and error[0] < error[1] < error[2]


def test_more_tilings_shrink_better():
    torch.manual_seed(0)
    x, shrinkage = smooth(GRIDS[1]), DctShrinkage(GRIDS[1], [2.7])
    noisy = x + 0.5 * torch.randn_like(x)
    quick, thorough = (shrinkage.train(training)(noisy)[0] for training in (True, False))
    assert (quick - x).pow(2).mean() > 1.03 * (thorough - x).pow(2).mean()


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: str(grid.ndim))
def test_the_filter_keeps_more_of_the_sample_than_the_threshold_that_it_begins_with(grid):
    torch.manual_seed(0)
    x = smooth(grid) + (5 * smooth(grid)).sin()
    noisy = x + 0.3 * torch.randn_like(x)
    made = DctShrinkage(grid, [3.0], wiener=True).eval()(noisy)
    cut, filtered = ((one - x).pow(2).mean() for one in made)
    assert filtered < cut


def test_a_filter_needs_a_threshold():
    with pytest.raises(ValueError, match=r"set thresholds=\[3\]"):
        DctShrinkage(GRIDS[1], [], wiener=True)


def test_samples_of_another_size_and_of_few_cells_are_shrunk():
    for shape in [(32, 24), (33, 41), (8, 9)]:
        (made,) = DctShrinkage(GRIDS[1], [0.0])(x := torch.randn(1, 2, *shape))
        torch.testing.assert_close(made, x, atol=1e-4, rtol=1e-4)
    tiny = GridSpec.of(("y", 3), ("x", 2), channels=1)
    (made,) = DctShrinkage(tiny, [0.0])(x := torch.randn(1, 1, 3, 2))
    torch.testing.assert_close(made, x, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: str(grid.ndim))
def test_flat_places_are_filled_from_around_them_and_nothing_else_changes(grid):
    x = smooth(grid)
    hole = (..., *(slice(n // 4, n // 4 + max(6, n // 10)) for n in grid.shape))
    spoilt = x.clone()
    spoilt[hole] = 7.0
    (made,) = FlatFilling(grid)(spoilt)
    kept = torch.ones_like(x, dtype=torch.bool)
    kept[hole] = False
    assert torch.equal(made[kept], x[kept])
    assert (made - x)[hole].abs().max() < 0.25 < (spoilt - x)[hole].abs().min()


def test_what_is_flat_everywhere_stays():
    x = torch.full((2, 2, 32, 24), 3.0)
    x[1] = torch.randn(2, 32, 24)
    (made,) = FlatFilling(GRIDS[1])(x)
    assert torch.equal(made, x)


def test_what_compression_leaves_is_shrunk_and_nothing_else():
    grid = GridSpec.of(("y", 64), ("x", 64), channels=3)
    waves = torch.linspace(0, 9, 64)
    x = 0.5 + 0.2 * torch.sin(waves.view(-1, 1) + waves) * torch.tensor([1.0, 0.8, 0.6]).view(3, 1, 1)
    clean, shrinkage = clean_view(grid, x[None]), DctShrinkage(grid, [], blocks=[6.0]).eval()
    for quality in (5, 20):
        file = Jpeg(quality=quality).bind(grid)(clean, torch.Generator().manual_seed(0))
        spoilt = file.x[..., 3:, 5:]  # blocks begin anywhere
        (made,) = shrinkage(spoilt)
        error, left = ((one - clean.x[..., 3:, 5:]).square().mean() for one in (spoilt, made))
        assert left < 0.8 * error
    (same,) = shrinkage(clean.x)
    assert (same - clean.x).square().mean() < 0.05 * left


def repeated(x, *factors):
    for axis, factor in enumerate(factors):
        x = x.repeat_interleave(factor, 2 + axis)
    return x


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_repeated_pixels_become_what_pillow_makes_of_the_small_image(factor):
    small = (torch.rand(10, 8, generator=torch.Generator().manual_seed(0)) * 255).round()
    picture = Image.fromarray(small.numpy(), "F").resize((8 * factor, 10 * factor), Image.Resampling.BICUBIC)
    (made,) = RunInterpolation(GRIDS[1])(repeated(small[None, None], factor, factor))
    inside = slice(2 * factor, -2 * factor)  # beyond its border each goes on in its own way
    torch.testing.assert_close(made[0, 0, inside, inside], torch.tensor(np.asarray(picture))[inside, inside])


def test_samples_are_interpolated_each_by_itself_wherever_a_window_cuts_them():
    x = torch.randn(3, 2, 12, 10)
    large = repeated(x, 2, 2)[..., 1:-1, 1:]
    batch = torch.stack([large[0], torch.randn(2, 22, 19), large[2]])
    (made,) = RunInterpolation(GRIDS[1])(batch)
    assert torch.equal(made[1], batch[1]) and not torch.equal(made[0], batch[0])
    (whole,) = RunInterpolation(GRIDS[1])(repeated(x, 2, 2))
    torch.testing.assert_close(made[2, :, 4:-4, 4:-4], whole[2, :, 5:-5, 5:-4])


@pytest.mark.parametrize("grid", GRIDS, ids=lambda grid: str(grid.ndim))
def test_repeated_cells_of_smooth_samples_come_nearer_to_them(grid):
    x = smooth(grid)
    coarse = folded(x, 2).unflatten(1, (2, -1)).mean(2)
    repeats = repeated(coarse, *[2] * grid.ndim)
    (made,) = RunInterpolation(grid)(repeats)
    inside = (..., *[slice(2, -2)] * grid.ndim)
    assert (made - x)[inside].abs().max() < 0.2 * (repeats - x)[inside].abs().max()


@pytest.mark.parametrize("shape", [(1, 1, 2, 2), (1, 1, 3, 16), (2, 1, 32, 24)])
def test_what_does_not_repeat_in_runs_of_one_length_stays(shape):
    x = torch.zeros(shape)
    x[..., -1] = 1.0  # a margin, not a repetition
    (made,) = RunInterpolation(GRIDS[1])(x)
    assert torch.equal(made, x)
