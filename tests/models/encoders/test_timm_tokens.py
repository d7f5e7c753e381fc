"""timm's vision transformers under masks: what is left out, what stands in its place."""

from __future__ import annotations

import pytest
import torch
from helpers.cases import GRIDS, sample

import ssl_pipeline as sslp
from ssl_pipeline.corruptions import Chain, Mask, Noise
from ssl_pipeline.models.encoders import TimmBackbone
from ssl_pipeline.structures.data_spec import DataSpec

IMAGE = GRIDS["image"]  # 3 channels, 8 x 12
TINY = {"patch_size": 4, "embed_dim": 24, "depth": 2, "num_heads": 2}
VIT = {"name": "vit_tiny_patch16_224", "options": TINY}
MODELS = {
    "class token": VIT,
    "registers": {"name": "vit_tiny_patch16_224", "options": TINY | {"reg_tokens": 3, "no_embed_class": True}},
    "no token": {"name": "vit_tiny_patch16_224", "options": TINY | {"class_token": False, "global_pool": "avg"}},
    "distilled": {"name": "deit_tiny_distilled_patch16_224", "options": TINY},
    "rope": {"name": "eva02_tiny_patch14_224", "options": TINY},
    "dinov3": {"name": "vit_small_patch16_dinov3", "options": TINY},
    "mixed rope": {"name": "vit_small_patch16_rope_mixed_224", "options": TINY},
}


def bound(model, **options):
    torch.manual_seed(0)
    encoder = TimmBackbone(**model, **options).bind(IMAGE, ("mask",)).eval()
    for name, p in encoder.model.named_parameters():
        if name.endswith(("_token", "pos_embed")):
            torch.nn.init.normal_(p)  # which begin near 0, where a mistake would not be seen
    return encoder


def masked(**options):
    return Mask(**{"ratio": 0.5, "cell": 4, **options}).bind(IMAGE)(sample(IMAGE), torch.Generator().manual_seed(0))


@torch.no_grad()
def latent(encoder, view, last=1):
    return encoder({"mask": view}, last)["mask"]


@pytest.mark.parametrize("model", MODELS.values(), ids=[*MODELS])
def test_without_a_hole_it_is_what_timm_computes(model):
    encoder, view = bound(model), sample(IMAGE)
    with torch.no_grad():
        theirs = encoder.features(encoder.given("mask", view)).flatten(2).transpose(1, 2)
    torch.testing.assert_close(latent(encoder, view).tokens, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("model", MODELS.values(), ids=[*MODELS])
def test_visible_tokens_alone_equal_masked_attention(model):
    encoder, view = bound(model), masked()
    other = view._replace(x=torch.where(view.mask.unsqueeze(1), torch.rand_like(view.x), view.x))
    visible, same = latent(encoder, view), latent(encoder, other)
    encoder.dense = True
    dense = latent(encoder, view)
    assert visible.tokens.shape[1] == 3 < dense.tokens.shape[1] == 6 and visible.dense_shape is None
    torch.testing.assert_close(visible.tokens, same.tokens)  # what fills the hole does not matter
    torch.testing.assert_close(visible.tokens, dense.tokens[dense.valid].view_as(visible.tokens), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(visible.pooled, dense.pooled, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(visible.coords, dense.coords.expand(6, -1, -1)[dense.valid].view_as(visible.coords))


def test_blocks_see_visible_tokens_only():
    encoder, seen = bound(VIT), []
    encoder.model.blocks[0].register_forward_hook(lambda block, given, out: seen.append(out.shape[1]))
    for view in (sample(IMAGE), masked()):
        latent(encoder, view)
    assert seen == [7, 4]  # the class token among them


@pytest.mark.parametrize("model", ["class token", "dinov3"])
def test_a_learned_token_stands_in_a_hole(model):
    encoder, view = bound(MODELS[model], masked="token"), masked()
    other = view._replace(x=view.x.where(~view.mask.unsqueeze(1), 9.0))
    full, same = latent(encoder, view), latent(encoder, other)
    assert full.dense_shape == (2, 3) and encoder.sees_masked and not encoder.sees_filling
    torch.testing.assert_close(full.tokens, same.tokens)
    encoder.mask_token.data += 1
    assert not torch.allclose(latent(encoder, view).tokens, full.tokens)
    clean = sample(IMAGE)
    encoder({"mask": clean})["mask"].pooled.sum().backward()
    assert encoder.mask_token.grad is not None  # without a hole, too: processes wait for every gradient


def test_several_last_blocks_are_averaged():
    encoder, view = bound(VIT), sample(IMAGE)
    assert encoder.blocks == 2 and not torch.allclose(latent(encoder, view).tokens, latent(encoder, view, 2).tokens)


@pytest.mark.parametrize("view", [sample(IMAGE), masked()], ids=["whole", "hole"])
def test_block_by_block_is_the_same(view):
    encoder = bound(VIT)
    with torch.no_grad():
        passing = encoder.enter("mask", view)
        for block in range(encoder.depth):
            passing = encoder.step(block, passing)
        passing = encoder.leave(passing)
    encoder.dense = True
    torch.testing.assert_close(passing.pooled, latent(encoder, view).pooled)
    torch.testing.assert_close(passing.tokens, latent(encoder, view).tokens)


@pytest.mark.parametrize("corruption", [Mask(cell=2), Chain(noise=Noise(), mask=Mask(cell=2))])
def test_a_mask_that_cuts_patches_is_refused_before_the_first_step(corruption):
    def graph(**options):
        encoder = TimmBackbone(**VIT, **options)
        return sslp.Graph({"mask": corruption}, encoder=encoder, objective=sslp.Reconstruction())

    graph(masked="token").bind(DataSpec(IMAGE))  # it looks at patches that are hidden wholly
    with pytest.raises(ValueError, match=r"cell \[2, 2\] .* patch \[4, 4\]: set corruption.mask.cell=\[4, 4\]"):
        graph().bind(DataSpec(IMAGE))
