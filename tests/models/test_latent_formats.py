"""Latents of every format."""

from __future__ import annotations

import pytest
import torch
from helpers.cases import LATENTS

from ssl_pipeline.structures.batch import Latent


@pytest.mark.parametrize("case", LATENTS)
def test_latent_formats(case):
    latent = case.build(**case.options).bind(16, 16)
    out = latent(Latent(torch.randn(2, 5, 16), torch.randn(2, 16)))
    assert out.tokens.shape[-1] == latent.width
    assert out.pooled.shape == (2, latent.embedding_width)
