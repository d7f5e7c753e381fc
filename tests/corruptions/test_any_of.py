"""Each sample draws one of several corruptions."""

from __future__ import annotations

import pytest
import torch
from helpers.cases import GRIDS, sample
from helpers.paths import CONF
from helpers.views import seeded
from omegaconf import OmegaConf

from ssl_pipeline.config.compose import compose
from ssl_pipeline.config.registry import lookup, part_names
from ssl_pipeline.corruptions import AnyOf, Echo, Mask, Noise, Reversal, Shuffle, Turn
from ssl_pipeline.structures.batch import clean_view

GRID = GRIDS["grey"]


def test_each_sample_passes_the_one_that_params_name():
    clean = sample(GRID, batch=200)
    some = AnyOf(reversal=Reversal(axes=["x"]), noise=Noise(sigma=(0.5, 1.0)), p=0.8).bind(GRID)
    view = some(clean, seeded())
    turned, noisy = view.params["reversal"].bool(), view.params["noise"].bool()
    assert not (turned & noisy).any() and turned.sum() == noisy.sum() == 80
    assert torch.equal(view.x[turned], clean.x[turned].flip(-1))
    assert torch.equal(view.x[~turned & ~noisy], clean.x[~turned & ~noisy])
    moved = (view.x - clean.x)[noisy].flatten(1).std(1) / view.params["noise.sigma"][noisy]
    assert ((moved - 1).abs() < 0.3).all() and (view.params["noise.sigma"][~noisy] == 0).all()
    assert torch.equal(view.source_coords[turned], clean.source_coords.expand_as(view.source_coords)[turned].flip(2))
    assert some.params_of(view).shape == (200, 3)


def test_a_weight_of_zero_leaves_a_corruption_out():
    some = AnyOf(noise=Noise(), turn=Turn(), shuffle=Shuffle(), of="suitable", weights={"noise": 0}).bind(GRIDS["grey"])
    assert [*some.parts] == ["turn"]


def test_a_single_sample_passes_each_in_turn_as_often_as_its_weight_says():
    some = AnyOf(noise=Noise(), shuffle=Shuffle(), weights={"shuffle": 3}).bind(GRID)
    one, generator = sample(GRID, batch=1), seeded()
    found = torch.stack([some(one, generator).params["shuffle"][0] for _ in range(400)])
    assert abs(found.mean() - 0.75) < 0.08


def test_masks_stay_with_their_samples():
    some = AnyOf(mask=Mask(ratio=0.5, cell=2), echo=Echo()).bind(GRID)
    clean = sample(GRID, batch=10)
    view = some(clean, seeded())
    hidden = view.mask.flatten(1).any(1)
    assert torch.equal(hidden, view.params["mask"].bool()) and hidden.sum() == 5
    assert torch.equal(view.unmasked, clean.x) and (view.cell, view.visible) == ((2, 2), None)


def test_padding_stays():
    valid = torch.ones(6, *GRID.shape, dtype=torch.bool)
    valid[:, :, 5:] = False
    view = AnyOf(mask=Mask(cell=1), noise=Noise()).bind(GRID)(sample(GRID)._replace(valid=valid), seeded())
    assert torch.equal(view.valid, valid)


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: AnyOf(), "any needs at least one"),
        (lambda: AnyOf(noise=Noise(), of=["nois"]), "any has no part 'nois'; nearest: noise"),
        (lambda: AnyOf(noise=Noise(), weights={"mask": 2}), "any draws no 'mask', so it takes no weight"),
        (lambda: AnyOf(noise=Noise(), echo=Echo(), of=["noise"], weights={"echo": 2}), "any draws no 'echo'"),
        (lambda: AnyOf(noise=Noise(), weights={"noise": -1}), "weights are 0 or more"),
        (lambda: AnyOf(noise=Noise(), weights={"noise": 0}), "at least one corruption"),
        (lambda: AnyOf(noise=Noise(), p=2), "p is a number or an interval"),
        (lambda: AnyOf(echo=Echo(), of="suitable").bind(GRID), "no part that suits this grid"),
    ],
)
def test_what_cannot_be_drawn_is_refused(build, text):
    with pytest.raises(ValueError, match=text):
        build()


def test_the_file_names_all_that_suit_some_data():
    listed = {next(iter(one)).split("@")[0] if isinstance(one, dict) else one.split("@")[0]
              for one in OmegaConf.load(CONF / "corruption" / "any.yaml").defaults}  # fmt: skip
    suiting = {
        name
        for name in part_names("corruption")
        if any(lookup("corruption", name).target.suits(grid) for grid in GRIDS.values())
    }
    assert suiting <= listed


def test_its_parts_have_options_of_their_own():
    asked = ["corruption=crop+crop-any", "corruption.crop-any.any.of=[noise,mask]"]
    found = compose([*asked, "corruption.crop-any.any.noise.severity=[1,3]"], notes=False)["corruption"]["crop-any"]
    assert found["any"]["of"] == ["noise", "mask"] and found["any"]["noise"]["severity"] == [1, 3]
    with pytest.raises(ValueError, match="severty"):
        compose([*asked, "corruption.crop-any.any.noise.severty=3"], notes=False)


def test_severity_stands_for_options():
    noise = Noise(severity=[1, 5]).bind(GRID)
    view = noise(clean_view(GRID, torch.full((300, 1, *GRID.shape), 0.5)), seeded())
    assert view.params["sigma"].min() < 0.1 and view.params["sigma"].max() > 0.34
    three = Noise(severity=3).bind(GRID)(sample(GRID), seeded()).params["sigma"]
    torch.testing.assert_close(three, torch.full_like(three, 0.18))
    with pytest.raises(ValueError, match="leave one null"):
        Noise(severity=3, sigma=0.1)
    with pytest.raises(ValueError, match=r"severity is a number or an interval .* between 1.0 and 5.0"):
        Noise(severity=6)
