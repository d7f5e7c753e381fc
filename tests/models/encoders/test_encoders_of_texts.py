"""Encoders of texts: padding, hidden symbols and n-grams."""

from __future__ import annotations

import pytest
import torch
from helpers.cases import GRIDS, sample
from helpers.small_models import TRANSFORMER

from ssl_pipeline.corruptions import Mask
from ssl_pipeline.models.decoders import CrossAttentionDecoder
from ssl_pipeline.models.encoders import NGramBag, ViT
from ssl_pipeline.structures.grid import GridSpec

TEXT = GridSpec.of(("position", 16), vocab=50, mask_token=49, end_token=48)


def text_encoder(**options):
    torch.manual_seed(0)
    return ViT(depth=2, **TRANSFORMER, **options).bind(TEXT, ("mask", "echo")).eval()


def padded(view, length=5):
    """Everything after ``length`` symbols is padding."""
    valid = (torch.arange(16) < length).expand(len(view.x), -1)
    return view._replace(x=view.x.where(valid, 48), valid=valid)


@pytest.mark.parametrize("options", [{}, {"ngrams": 3, "buckets": 64}, {"masked": "keep"}], ids=str)
def test_padding_does_not_matter(options):
    encoder, view = text_encoder(**options), padded(sample(TEXT))
    other = view._replace(x=view.x.where(view.valid, 7))
    with torch.no_grad():
        torch.testing.assert_close(encoder({"echo": view})["echo"].pooled, encoder({"echo": other})["echo"].pooled)


@pytest.mark.parametrize("dense", [False, True])
def test_a_text_whose_every_symbol_is_hidden_has_a_latent(dense):
    encoder = text_encoder(dense=dense).train()
    view = padded(Mask(ratio=0.9).bind(TEXT)(sample(TEXT, 64), torch.Generator().manual_seed(0)), length=2)
    assert not (view.valid & ~view.mask).any(1).all()
    latent = encoder({"mask": view})["mask"]
    decoder = CrossAttentionDecoder(**TRANSFORMER).bind(TEXT, 24)
    decoder(latent).square().mean().backward()
    assert latent.valid.any(1).all() and (latent.pooled.abs().amax(1) > 0.01).all()
    assert all(torch.isfinite(p.grad).all() for p in encoder.parameters() if p.grad is not None)


@pytest.mark.parametrize("build", [ViT, NGramBag])
def test_ngrams_tell_nothing_of_what_is_hidden(build):
    small = TRANSFORMER if build is ViT else {"width": 8}
    encoder, clean = build(ngrams=4, buckets=64, **small).bind(TEXT, ("mask",)).eval(), sample(TEXT)
    view = Mask(ratio=0.5).bind(TEXT)(clean, torch.Generator().manual_seed(0))
    other = clean._replace(x=torch.where(view.mask, (clean.x + 1) % 48, clean.x))
    again = Mask(ratio=0.5).bind(TEXT)(other, torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(encoder({"mask": view})["mask"].tokens, encoder({"mask": again})["mask"].tokens)


def test_ngrams_make_a_symbol_depend_on_those_before_it():
    stem, view = text_encoder(ngrams=3, buckets=1000).stem, sample(TEXT)
    other = view._replace(x=view.x.clone())
    other.x[:, 5] = (view.x[:, 5] + 1) % 48
    with torch.no_grad():
        one, two = stem([view, other])
        changed = (one.values != two.values).any(-1).any(0)
    assert changed.nonzero().flatten().tolist() == [5, 6, 7]


@pytest.mark.parametrize("grid", ["wave", "codes"])
def test_ngrams_need_a_line_of_symbols(grid):
    with pytest.raises(ValueError, match=r"ngrams=2 are strings of symbols.*set encoder.ngrams=0"):
        ViT(ngrams=2, **TRANSFORMER).bind(GRIDS[grid], ("echo",))
