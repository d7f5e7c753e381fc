"""Corruptions one after another."""

from __future__ import annotations

import pytest
import torch
from helpers.cases import GRIDS, sample
from helpers.views import assert_same, seeded

from ssl_pipeline.corruptions import Chain, Crop, LowRes, Mask, Noise


@pytest.mark.parametrize("name", ["image", "text"])
def test_chains_know_what_stood_in_their_last_holes(name):
    grid, mask = GRIDS[name], Mask(ratio=0.5, cell=1)
    noisy = Noise().bind(grid)(sample(grid), seeded())

    def whole(**parts):
        chain = Chain(**parts).bind(grid)
        view = chain(sample(grid), seeded())
        assert chain.keeps_unmasked is (view.mask is None or view.unmasked is not None)
        return view.unmasked

    assert torch.equal(whole(noise=Noise(), mask=mask), noisy.x)
    assert torch.equal(whole(noise=Noise(), one=mask, two=mask), noisy.x)
    assert torch.equal(whole(inner=Chain(noise=Noise(), mask=mask), mask=mask), noisy.x)
    assert whole(one=mask, noise=Noise(), two=mask) is None
    assert whole(one=mask, inner=Chain(noise=Noise(), mask=mask)) is None
    assert whole(one=mask, inner=Chain(noise=Noise())) is None
    assert whole(noise=Noise()) is None


@pytest.mark.parametrize("name", list(GRIDS))
def test_chain_is_the_composition(name):
    grid = GRIDS[name]
    lowres, noise, mask = LowRes().bind(grid), Noise().bind(grid), Mask(ratio=0.5).bind(grid)
    chain = Chain(lowres=LowRes(), noise=Noise(), mask=Mask(ratio=0.5)).bind(grid)
    clean, one = sample(grid), seeded()
    expected = mask(noise(lowres(clean, one), one), one)
    view = chain(clean._replace(params={"before": torch.ones(6)}), seeded())
    kind = "ratio" if grid.discrete else "snr_db" if name in ("wave", "logmel") else "sigma"
    assert chain.corruption_params == ("lowres.factor", f"noise.{kind}")
    assert set(view.params) == {"before", *chain.corruption_params}
    assert torch.equal(view.params[f"noise.{kind}"], expected.params[kind])
    assert_same(view._replace(params={}), expected._replace(params={}), rtol=0, atol=0)


def test_chain_hands_the_new_grid_on():
    grid = GRIDS["image"]
    chain = Chain(crop=Crop(size=4), mask=Mask(cell=2, ratio=0.5)).bind(grid)
    view = chain(sample(grid), seeded())
    assert chain.output_grid.shape == (4, 4) and view.x.shape == (6, 3, 4, 4) and view.visible == 2
    with pytest.raises(ValueError, match="at least one corruption"):
        Chain().bind(grid)
