"""Noise of numbers and of symbols."""

from __future__ import annotations

import torch
from helpers.cases import GRIDS, sample
from helpers.views import seeded

from ssl_pipeline.corruptions import Noise
from ssl_pipeline.structures.batch import clean_view
from ssl_pipeline.structures.grid import GridSpec


def test_noise_has_the_sigma_it_tells():
    grid = GridSpec.of(("y", 64), ("x", 64), channels=2)
    clean = sample(grid)
    view = Noise(sigma=[0.1, 0.5]).bind(grid)(clean, seeded())
    measured = (view.x - clean.x).flatten(1).std(1)
    torch.testing.assert_close(measured, view.params["sigma"], rtol=0.05, atol=0)
    assert view.params["sigma"].min() >= 0.1 and view.params["sigma"].max() <= 0.5 and view.params["sigma"].std() > 0


def test_replaced_tokens_are_uniform_but_never_the_mask_token():
    grid = GridSpec.of(("position", 4000), vocab=5, mask_token=2)
    clean = clean_view(grid, torch.zeros(2, 4000, dtype=torch.int64))
    share = Noise(ratio=0.8).bind(grid)(clean, seeded()).x.flatten().bincount(minlength=5) / 8000
    torch.testing.assert_close(share, torch.tensor([0.4, 0.2, 0.0, 0.2, 0.2]), rtol=0, atol=0.02)


def test_noise_leaves_holes_and_padding_of_tokens_alone():
    grid = GRIDS["text"]
    clean = sample(grid)
    keep = torch.arange(16) < 8
    hole = (torch.arange(16) < 4).expand(6, 16)
    view = Noise(ratio=1.0).bind(grid)(clean._replace(valid=keep.expand(6, 16), mask=hole), seeded())
    changed = (view.x != clean.x).float().mean(0)
    assert changed[:4].sum() == 0 and changed[8:].sum() == 0 and changed[4:8].mean() > 0.5


def test_noise_draws_neither_the_mask_nor_the_end():
    grid = GridSpec.of(("position", 4000), vocab=6, mask_token=5, end_token=2)
    clean = clean_view(grid, torch.zeros(2, 4000, dtype=torch.int64))
    share = Noise(ratio=0.8).bind(grid)(clean, seeded()).x.flatten().bincount(minlength=6) / 8000
    torch.testing.assert_close(share, torch.tensor([0.4, 0.2, 0.0, 0.2, 0.2, 0.0]), rtol=0, atol=0.02)
