"""What is told of a sample without learning: below its noise, and over its flat places."""

from __future__ import annotations

import pytest
import torch

from ssl_pipeline.models.layers.filling import FlatFilling
from ssl_pipeline.models.layers.shrinkage import DctShrinkage
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


def test_more_blocks_shrink_better():
    torch.manual_seed(0)
    x, shrinkage = smooth(GRIDS[1]), DctShrinkage(GRIDS[1], [2.7])
    noisy = x + 0.5 * torch.randn_like(x)
    quick, thorough = (shrinkage.train(training)(noisy)[0] for training in (True, False))
    assert (quick - x).pow(2).mean() > 1.1 * (thorough - x).pow(2).mean()


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
