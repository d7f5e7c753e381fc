"""Padding stays out of every corruption of symbols, and behind the text."""

from __future__ import annotations

import pytest
import torch
from helpers.cases import CORRUPTIONS, GRIDS, sample
from helpers.views import seeded

EVERY = [
    pytest.param(case, GRIDS[name], id=f"{case.name}{i}-{name}")
    for i, case in enumerate(CORRUPTIONS)
    for name in ("text", "bytes", "codes")
    if name in case.grids
]


@pytest.mark.parametrize(("case", "grid"), EVERY)
def test_padding_stays_out_of_every_corruption(case, grid):
    clean = sample(grid, 8)
    count = torch.tensor([0, 1, 2, 3, 5, 8, 12, grid.shape[-1]]).clamp(max=grid.shape[-1])
    valid = (torch.arange(grid.shape[-1]) < count.view(-1, *[1] * grid.ndim)).expand(clean.x.shape)
    clean = clean._replace(valid=valid.contiguous())
    other = clean._replace(x=torch.where(valid, clean.x, 7))
    corruption = case.build(**case.options).bind(grid)
    one, two = corruption(clean, seeded()), corruption(other, seeded())
    assert one.valid.shape == one.x.shape and torch.equal(one.valid, two.valid)
    assert torch.equal(one.x[one.valid], two.x[two.valid])
    assert one.x.min() >= 0 and one.x.max() < grid.vocab
    assert not (one.source_coords - two.source_coords).expand(8, *one.x.shape[1:], grid.ndim)[one.valid].any()


@pytest.mark.parametrize(("case", "grid"), [row for row in EVERY if row.values[1].ndim == 1])
def test_padding_stays_behind(case, grid):
    clean = sample(grid, 8)
    valid = torch.arange(grid.shape[0]) < torch.tensor([0, 1, 2, 3, 5, 8, 12, 16]).unsqueeze(1)
    view = case.build(**case.options).bind(grid)(clean._replace(valid=valid), seeded())
    assert not (view.valid[:, 1:] & ~view.valid[:, :-1]).any()
    assert view.valid[1:].any(1).all()
