"""Patches, position codes and the cross-attention block."""

from __future__ import annotations

import pytest
import torch
from cases import GRIDS

from ssl_pipeline.grid import GridSpec
from ssl_pipeline.layers import CrossBlock, Patches, Standardise, first_true, masked_mean, sincos


@pytest.mark.parametrize("name", sorted(GRIDS))
def test_split_and_join_are_inverse(name):
    grid = GRIDS[name]
    patches = Patches(grid, 2)
    if grid.discrete:
        x = torch.randint(0, grid.vocab, (3, *grid.shape))
        assert patches.split(x).shape == (3, patches.count, patches.width)
        assert patches.split(x).flatten().sort().values.equal(x.flatten().sort().values)
    else:
        x = torch.randn(3, grid.channels, *grid.shape)
        torch.testing.assert_close(patches.join(patches.split(x)), x)


def test_patches_are_in_row_major_order():
    grid = GridSpec.of(("y", 4), ("x", 6), channels=1)
    x = torch.arange(24.0).view(1, 1, 4, 6)
    assert Patches(grid, 2).split(x)[0, 1].tolist() == [2, 3, 8, 9]


def test_centres_are_the_middle_of_patches():
    grid = GridSpec.of(("y", 4), ("x", 6, 0.5), channels=1)
    centres = Patches(grid, 2).centres(grid.coordinates())
    assert centres[0, 0].tolist() == [1.0, 0.5]
    assert centres[0, -1].tolist() == [3.0, 2.5]


def test_patch_that_does_not_divide_names_those_that_do():
    with pytest.raises(ValueError, match=r"patch=3 does not divide the 8 cells of axis x; take one of \[1, 2, 4, 8\]"):
        Patches(GridSpec.of(("x", 8), channels=1), 3)


def test_first_true_keeps_order():
    mask = torch.tensor([[False, True, True, False, True], [True, True, False, False, True]])
    assert first_true(mask, 3).tolist() == [[1, 2, 4], [0, 1, 4]]


def test_position_codes_tell_places_apart():
    grid = GridSpec.of(("y", 7), ("x", 7), channels=1)
    code = sincos(grid.coordinates().flatten(1, 2), 32)[0]
    distance = torch.cdist(code, code) + torch.eye(49) * 9
    assert code.shape == (49, 32)
    assert distance.min() > 0.1


def test_masked_mean():
    tokens, valid = torch.tensor([[[1.0], [5.0]]]), torch.tensor([[True, False]])
    assert masked_mean(tokens, valid).item() == 1
    assert masked_mean(tokens, None).item() == 3


def test_heads_must_divide():
    with pytest.raises(ValueError, match="heads=3 must divide the width 16"):
        CrossBlock(16, 8, 3)


def test_standardise_is_invertible():
    grid = GRIDS["image"]
    layer = Standardise(grid, [0.1, 0.5, 0.9], [0.2, 0.3, 0.4])
    x = torch.rand(2, 3, *grid.shape)
    torch.testing.assert_close(layer.inverse(layer(x)), x)
    assert layer(x)[:, 1].mean().item() == pytest.approx((x[:, 1].mean().item() - 0.5) / 0.3, abs=1e-5)
