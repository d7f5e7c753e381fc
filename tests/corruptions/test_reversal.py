"""Axes run backwards."""

from __future__ import annotations

import pytest
import torch
from helpers.cases import sample
from helpers.views import EVERY, assert_same, seeded

from ssl_pipeline.corruptions import Mask, Reversal


@pytest.mark.parametrize(("case", "grid"), [row for row in EVERY if row.values[0].build is Reversal])
def test_reversal_twice_is_the_identity(case, grid):
    start = sample(grid)._replace(valid=torch.rand(6, *grid.shape, generator=seeded()) < 0.5)
    masked = Mask(ratio=0.5, cell=1).bind(grid)(start, seeded())
    reverse = case.build(**case.options).bind(grid)
    once = reverse(masked, seeded())
    assert not torch.equal(once.x, masked.x) and not torch.equal(once.mask, masked.mask)
    assert torch.equal(once.coords, masked.coords) and not torch.equal(once.source_coords, masked.source_coords)
    start = masked._replace(source_coords=masked.source_coords.expand(once.source_coords.shape))
    assert_same(reverse(once, seeded()), start, rtol=0, atol=0)
