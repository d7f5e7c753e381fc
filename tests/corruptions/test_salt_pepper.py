"""Salt and pepper have the shares that they tell."""

from __future__ import annotations

import torch
from helpers.views import seeded

from ssl_pipeline.corruptions import SaltPepper
from ssl_pipeline.structures.batch import clean_view
from ssl_pipeline.structures.grid import GridSpec


def test_salt_and_pepper_have_their_shares_in_all_channels():
    grid = GridSpec.of(("y", 64), ("x", 64), channels=2, range=(-1.0, 3.0))
    clean = clean_view(grid, torch.zeros(2, 2, 64, 64))
    view = SaltPepper(ratio=0.4, salt=0.25).bind(grid)(clean, seeded())
    shares = torch.stack([(view.x == value).float().mean() for value in (3.0, -1.0, 0.0)])
    torch.testing.assert_close(shares, torch.tensor([0.1, 0.3, 0.6]), rtol=0, atol=0.02)
    assert torch.equal(view.x[:, 0], view.x[:, 1])


def test_padding_stays():
    grid = GridSpec.of(("x", 8), channels=1)
    valid = (torch.arange(8) < 4).expand(2, 8)
    view = SaltPepper(ratio=1.0).bind(grid)(clean_view(grid, torch.full((2, 1, 8), 0.5), valid), seeded())
    assert torch.equal(view.x != 0.5, valid.unsqueeze(1))
