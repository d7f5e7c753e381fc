"""Encoders, decoders and latents on every grid that they claim to work on."""

from __future__ import annotations

import pytest
import torch
from cases import DECODERS, ENCODERS, GRIDS, LATENTS, sample

from ssl_pipeline.corruptions import Mask
from ssl_pipeline.decoders import QueryDecoder
from ssl_pipeline.encoders import TransformerEncoder
from ssl_pipeline.layers import Patches
from ssl_pipeline.records import Latent

ENCODER_GRIDS = [(case, grid) for case in ENCODERS for grid in case.grids]
DECODER_GRIDS = [(case, grid) for case in DECODERS for grid in case.grids]


def masked(grid, **options):
    return Mask(grid=grid, **{"ratio": 0.5, **options})(sample(grid), torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("case", "name"), ENCODER_GRIDS)
def test_encoder_keeps_its_word(case, name):
    grid = GRIDS[name]
    torch.manual_seed(0)
    encoder = case.build(grid=grid, views=("mask", "echo"), **case.options)
    latents = encoder({"mask": masked(grid), "echo": sample(grid)})
    assert list(latents) == ["mask", "echo"]
    whole = latents["echo"]
    assert whole.dense_shape == encoder.dense_shape
    assert whole.tokens.shape == (6, torch.Size(encoder.dense_shape).numel(), encoder.width)
    assert whole.pooled.shape == (6, encoder.embedding_width)
    assert (latents["mask"].dense_shape == encoder.dense_shape) is encoder.sees_holes
    sum(latent.pooled.square().mean() + latent.tokens.mean() for latent in latents.values()).backward()
    without = [n for n, p in encoder.named_parameters() if p.grad is None]
    assert not without


@pytest.mark.parametrize(("case", "name"), ENCODER_GRIDS)
def test_samples_do_not_touch_each_other_at_inference(case, name):
    grid = GRIDS[name]
    encoder = case.build(grid=grid, views=("mask", "echo"), **case.options).eval()
    view = sample(grid)
    other = view._replace(x=torch.cat([view.x[:1], view.x[1:].flip(0)]))
    with torch.no_grad():
        a, b = (encoder({"unknown": v})["unknown"].pooled[0] for v in (view, other))
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", sorted(GRIDS))
def test_dense_masked_attention_equals_visible_tokens(name):
    grid = GRIDS[name]
    torch.manual_seed(0)
    encoder = TransformerEncoder(grid=grid, views=("mask", "echo"), width=24, depth=3, heads=2).eval()
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
    encoder = TransformerEncoder(grid=grid, views=("mask", "echo"), width=24, depth=2, heads=2).eval()
    view = masked(grid)
    other = view._replace(x=torch.where(view.removed.unsqueeze(1), torch.rand_like(view.x), view.x))
    with torch.no_grad():
        torch.testing.assert_close(encoder({"mask": view})["mask"].pooled, encoder({"mask": other})["mask"].pooled)


def test_views_packed_into_one_call_equal_views_alone():
    grid = GRIDS["image"]
    encoder = TransformerEncoder(grid=grid, views=("a", "b"), width=24, depth=2, heads=2).eval()
    views = {"a": sample(grid, seed=1), "b": sample(grid, seed=2)}
    with torch.no_grad():
        together = encoder(views)
        for name, view in views.items():
            torch.testing.assert_close(together[name].tokens, encoder({name: view})[name].tokens, rtol=1e-4, atol=1e-5)


def test_cell_that_does_not_fit_the_patch_is_refused():
    grid = GRIDS["image"]
    encoder = TransformerEncoder(grid=grid, views=("mask",), patch=4, width=24, depth=1, heads=2)
    with pytest.raises(ValueError, match=r"cell \[2, 2\] is not a multiple of the encoder's patch \[4, 4\]"):
        encoder({"mask": masked(grid, cell=2)})


def test_larger_cells_than_patches_fit():
    grid = GRIDS["image"]
    encoder = TransformerEncoder(grid=grid, views=("mask",), patch=2, width=24, depth=1, heads=2)
    assert encoder({"mask": masked(grid, cell=4)})["mask"].tokens.shape[1] == 12


@pytest.mark.parametrize(("case", "name"), DECODER_GRIDS)
def test_decoder_gives_the_patches_of_its_target(case, name):
    grid = GRIDS[name]
    dense = tuple((n + 3) // 4 for n in grid.shape)
    decoder = case.build(grid=grid, latent_width=16, dense_shape=dense, told=2, **case.options)
    n = torch.Size(dense).numel()
    latent = Latent(torch.randn(3, n, 16), torch.randn(3, 16), dense_shape=dense)
    told = torch.randn(3, 2)
    every = decoder(latent, told=told)
    width = grid.vocab or decoder.patches.width
    assert every.shape == (3, decoder.patches.count, width)
    places = torch.tensor([[0, 2], [1, 0], [2, 1]])
    some = decoder(latent, places, told)
    torch.testing.assert_close(some, every.gather(1, places.unsqueeze(-1).expand(-1, -1, width)), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(every, decoder(latent, told=told.flip(0) * 2))


def test_query_decoder_reads_only_valid_tokens():
    grid = GRIDS["image"]
    decoder = QueryDecoder(grid=grid, latent_width=16, width=24, heads=2)
    tokens, valid = torch.randn(2, 5, 16), torch.tensor([[True, True, True, False, False]] * 2)
    torch.testing.assert_close(
        decoder(Latent(tokens, tokens.mean(1), valid=valid)), decoder(Latent(tokens[:, :3], tokens.mean(1)))
    )


@pytest.mark.parametrize("case", LATENTS)
def test_latent_formats(case):
    latent = case.build(width=16, embedding_width=16, **case.options)
    out = latent(Latent(torch.randn(2, 5, 16), torch.randn(2, 16)))
    assert out.tokens.shape[-1] == latent.width
    assert out.pooled.shape == (2, latent.embedding_width)
