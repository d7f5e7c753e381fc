"""ViT under masks: what is left out, what stands in its place."""

from __future__ import annotations

import pytest
import torch
from helpers.cases import GRIDS, sample
from helpers.small_models import TRANSFORMER
from helpers.views import masked

from ssl_pipeline.models.encoders import ViT
from ssl_pipeline.models.layers import Patches, sincos


@pytest.mark.parametrize("name", sorted(GRIDS))
def test_dense_masked_attention_equals_visible_tokens(name):
    grid = GRIDS[name]
    torch.manual_seed(0)
    encoder = ViT(width=24, depth=3, heads=2).bind(grid, ("mask", "echo")).eval()
    view = masked(grid, cell=Patches(grid).size)
    with torch.no_grad():
        visible = encoder({"mask": view})["mask"]
        encoder.dense = True
        dense = encoder({"mask": view})["mask"]
    assert visible.tokens.shape[1] < dense.tokens.shape[1]
    torch.testing.assert_close(visible.pooled, dense.pooled, rtol=1e-4, atol=1e-5)
    kept = dense.tokens[dense.valid].view(visible.tokens.shape)
    torch.testing.assert_close(visible.tokens, kept, rtol=1e-4, atol=1e-5)


def test_what_is_in_the_hole_does_not_matter():
    grid = GRIDS["image"]
    encoder = ViT(width=24, depth=2, heads=2).bind(grid, ("mask", "echo")).eval()
    view = masked(grid)
    other = view._replace(x=torch.where(view.mask.unsqueeze(1), torch.rand_like(view.x), view.x))
    with torch.no_grad():
        torch.testing.assert_close(encoder({"mask": view})["mask"].pooled, encoder({"mask": other})["mask"].pooled)


def test_cell_that_does_not_fit_the_patch_is_refused():
    grid = GRIDS["image"]
    encoder = ViT(patch=4, width=24, depth=1, heads=2).bind(grid, ("mask",))
    with pytest.raises(ValueError, match=r"cell \[2, 2\] is not a multiple of the encoder's patch \[4, 4\]"):
        encoder({"mask": masked(grid, cell=2)})


def test_larger_cells_than_patches_fit():
    grid = GRIDS["image"]
    encoder = ViT(patch=2, width=24, depth=1, heads=2).bind(grid, ("mask",))
    assert encoder({"mask": masked(grid, cell=4)})["mask"].tokens.shape[1] == 12


def test_a_hole_that_is_kept_is_taken_as_it_is_filled():
    grid = GRIDS["image"]
    encoder = ViT(patch=4, depth=1, masked="keep", **TRANSFORMER).bind(grid, ("mask",)).eval()
    view = masked(grid, cell=2)  # smaller than a patch: nothing is left out, so it need not fit
    with torch.no_grad():
        latent, echo = (encoder({"mask": v})["mask"] for v in (view, sample(grid)._replace(x=view.x)))
        torch.testing.assert_close(latent.tokens, echo.tokens)
        other = encoder({"mask": view._replace(x=view.x.where(~view.mask.unsqueeze(1), 9.0))})["mask"]
    assert latent.dense_shape == encoder.dense_shape and latent.valid is None
    assert not torch.allclose(latent.pooled, other.pooled)
    assert "stem.mask_token" not in encoder.state_dict()  # runs that are older than the token load as they are


@pytest.mark.parametrize("grid", ["image", "text"])
def test_a_learned_token_stands_in_a_hole_whatever_fills_it(grid):
    grid = GRIDS[grid]
    encoder = ViT(patch=1, depth=1, masked="token", **TRANSFORMER).bind(grid, ("mask",)).eval()
    view = masked(grid)
    hole = view.mask if grid.discrete else view.mask.unsqueeze(1)
    other = view._replace(x=view.x.where(~hole, 9))
    with torch.no_grad():
        tokens, same = (encoder({"mask": v})["mask"].tokens for v in (view, other))
        torch.testing.assert_close(tokens, same)
        assert not torch.allclose(tokens, encoder({"mask": other._replace(mask=None)})["mask"].tokens)
        expected = encoder.stem([other._replace(mask=None, cell=None, visible=None)])[0].values
        patches = encoder.stem.patches
        code = sincos(patches.centres(view.coords) / encoder.stem.unit, encoder.width)
        found = encoder.stem([other._replace(mask=None, cell=None, visible=None)], kept=[view.mask])[0].values
        hidden = patches.wholly(view.mask)
        torch.testing.assert_close(found[~hidden], expected[~hidden])
        torch.testing.assert_close(found[hidden], (encoder.stem.mask_token + code).expand_as(found)[hidden])
    assert encoder.dense_shape == patches.shape


def test_a_patch_that_lies_in_a_hole_in_part_is_taken_as_it_is_filled():
    grid = GRIDS["image"]
    encoder = ViT(patch=4, depth=1, masked="token", **TRANSFORMER).bind(grid, ("mask",)).eval()
    view = sample(grid)._replace(mask=(torch.arange(12) < 6).expand(6, 8, 12))
    with torch.no_grad():
        before, after = (
            encoder.stem([view._replace(mask=None, x=x)], kept=[view.mask])[0].values
            for x in (view.x, view.x.where(~view.mask.unsqueeze(1), 9.0))
        )
    changed = (before - after).abs().amax((0, 2)).unflatten(0, (2, 3)) > 0
    assert changed.tolist() == [[False, True, False]] * 2


def test_the_learned_token_has_a_gradient_without_a_hole_too():
    """Else processes that wait for every gradient would wait for ever."""
    encoder = ViT(depth=1, masked="token", **TRANSFORMER).bind(GRIDS["image"], ("a",))
    encoder({"a": sample(GRIDS["image"])})["a"].pooled.sum().backward()
    assert encoder.stem.mask_token.grad.eq(0).all()


def test_holes_are_dropped_or_kept():
    with pytest.raises(ValueError, match="masked='fill' is not known; take drop, keep or token"):
        ViT(width=24, depth=2, heads=2, masked="fill")
