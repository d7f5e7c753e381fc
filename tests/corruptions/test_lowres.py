"""Lower resolution."""

from __future__ import annotations

import pytest
import torch
from helpers.cases import CONTINUOUS, GRIDS, sample
from helpers.views import seeded

from ssl_pipeline.corruptions import LowRes


@pytest.mark.parametrize("name", CONTINUOUS)
@pytest.mark.parametrize("upsample", ["linear", "nearest", "sinc", "hold"])
def test_lowres_of_a_constant_is_the_constant(name, upsample):
    grid = GRIDS[name]
    clean = sample(grid)
    flat = clean._replace(x=torch.full_like(clean.x, 0.3))
    torch.testing.assert_close(LowRes(factor=[2, 4], upsample=upsample).bind(grid)(flat, seeded()).x, flat.x)


def test_lowres_nearest_holds_block_means_and_tells_the_drawn_factor():
    grid = GRIDS["grey"]
    clean = sample(grid, 32)
    view = LowRes(factor=[2, 4], upsample="nearest").bind(grid)(clean, seeded())
    assert set(view.params["factor"].tolist()) == {2.0, 4.0}
    for x, y, k in zip(clean.x, view.x, view.params["factor"].int().tolist(), strict=True):
        blocks = x.unfold(1, k, k).unfold(2, k, k).mean((-1, -2))
        torch.testing.assert_close(y, blocks.repeat_interleave(k, 1).repeat_interleave(k, 2))


def test_lowres_along_one_axis_and_on_tokens():
    grid = GRIDS["image"]
    clean = sample(grid)
    view = LowRes(axes=["x"], factor=4, upsample="nearest").bind(grid)(clean, seeded())
    torch.testing.assert_close(view.x, clean.x.unfold(3, 4, 4).mean(-1).repeat_interleave(4, 3))
    assert view.params["factor"].tolist() == [4.0] * 6
    per_axis = LowRes(factor=[[1, 4]], upsample="nearest").bind(grid)(clean, seeded())
    assert torch.equal(per_axis.x, view.x)
    text = sample(GRIDS["text"])
    kept = LowRes(factor=4).bind(GRIDS["text"])(text, seeded()).x
    assert torch.equal(kept, text.x[:, ::4].repeat_interleave(4, 1))
