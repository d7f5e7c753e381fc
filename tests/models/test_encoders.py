"""Encoders on every grid that they claim to work on."""

from __future__ import annotations

import pytest
import torch
from helpers.cases import ENCODERS, GRIDS, sample
from helpers.views import masked

from ssl_pipeline.models.encoders import ConvEncoder, ViT

ENCODER_GRIDS = [(case, grid) for case in ENCODERS for grid in case.grids]


@pytest.mark.parametrize(("case", "name"), ENCODER_GRIDS)
def test_encoder_keeps_its_word(case, name):
    grid = GRIDS[name]
    torch.manual_seed(0)
    encoder = case.build(**case.options).bind(grid, ("mask", "echo"))
    latents = encoder({"mask": masked(grid), "echo": sample(grid)})
    assert list(latents) == ["mask", "echo"]
    whole = latents["echo"]
    assert whole.dense_shape == encoder.dense_shape
    tokens = 1 if encoder.dense_shape is None else torch.Size(encoder.dense_shape).numel()
    assert whole.tokens.shape == (6, tokens, encoder.width)
    assert whole.pooled.shape == (6, encoder.embedding_width)
    if encoder.dense_shape is not None:
        assert (latents["mask"].dense_shape == encoder.dense_shape) is encoder.sees_masked
    sum(latent.pooled.square().mean() + latent.tokens.mean() for latent in latents.values()).backward()
    without = [n for n, p in encoder.named_parameters() if p.grad is None]
    assert not without


@pytest.mark.parametrize(("case", "name"), ENCODER_GRIDS)
def test_samples_do_not_touch_each_other_at_inference(case, name):
    grid = GRIDS[name]
    encoder = case.build(**case.options).bind(grid, ("mask", "echo")).eval()
    view = sample(grid)
    other = view._replace(x=torch.cat([view.x[:1], view.x[1:].flip(0)]))
    with torch.no_grad():
        a, b = (encoder({"unknown": v})["unknown"].pooled[0] for v in (view, other))
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("drop", [0.25, 1.0])
def test_names_of_views_that_training_hides_do_not_matter(drop):
    encoder = ConvEncoder(view_drop=drop).bind(GRIDS["image"], ("noise", "echo")).eval()
    view = sample(GRIDS["image"])
    with torch.no_grad():
        named, unknown = (encoder({name: view})[name].pooled for name in ("noise", "unknown"))
    assert torch.equal(named, unknown) is (drop == 1)


def test_views_packed_into_one_call_equal_views_alone():
    grid = GRIDS["image"]
    encoder = ViT(width=24, depth=2, heads=2).bind(grid, ("a", "b")).eval()
    views = {"a": sample(grid, seed=1), "b": sample(grid, seed=2)}
    with torch.no_grad():
        together = encoder(views)
        for name, view in views.items():
            torch.testing.assert_close(together[name].tokens, encoder({name: view})[name].tokens, rtol=1e-4, atol=1e-5)


def test_what_is_shared_knows_no_grid():
    encoders = [case.build(**case.options).bind(GRIDS[n], ("echo",)) for case, n in ENCODER_GRIDS[:3]]
    for name in ViT.shared:
        shapes = [{k: p.shape for k, p in getattr(e, name).named_parameters()} for e in encoders]
        assert shapes[0] and shapes[0] == shapes[1] == shapes[2]
