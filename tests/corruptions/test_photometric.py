"""What a crop does to brightness, contrast, colour and sharpness."""

from __future__ import annotations

import colorsys

import pytest
import torch
from helpers.cases import CONTINUOUS, GRIDS, sample
from helpers.views import seeded
from torchvision.transforms.functional import adjust_hue

from ssl_pipeline.corruptions import Crop
from ssl_pipeline.corruptions._photometric import Photometric, hue_turned


def photometric(**options) -> Photometric:
    still = dict.fromkeys(("jitter", "brightness", "contrast", "saturation", "hue", "grayscale", "blur"), 0.0)
    return Photometric(**{"range": (0.0, 1.0), "colour": True, **still, "blur_sigma": (0.5, 1.5), **options})


def test_grayscale_equals_the_luma_and_leaves_the_rest():
    x = sample(GRIDS["image"], 64).x
    y = photometric(grayscale=0.5)(x, seeded())
    grey = (y.std(1) < 1e-6).flatten(1).all(1)
    assert 10 < grey.sum() < 54
    luma = 0.299 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2]
    torch.testing.assert_close(y[grey], luma[grey].unsqueeze(1).expand(-1, 3, -1, -1))
    torch.testing.assert_close(y[~grey], x[~grey])


@pytest.mark.parametrize("colour", [True, False])
def test_brightness_scales_and_contrast_keeps_the_mean(colour):
    x = 0.4 + 0.1 * sample(GRIDS["image"], 64).x
    gain = photometric(colour=colour, jitter=1.0, brightness=0.4)(x, seeded()) / x
    torch.testing.assert_close(gain, gain[:, :1, :1, :1].expand_as(gain))
    assert 0.6 <= gain.min() < 0.65 and 1.35 < gain.max() <= 1.4
    y = photometric(colour=colour, jitter=1.0, contrast=0.4)(x, seeded())
    weight = torch.tensor([0.299, 0.587, 0.114]) if colour else torch.full((3,), 1 / 3)
    luma, after = (torch.einsum("c,bchw->b", weight, z) / 96 for z in (x, y))
    torch.testing.assert_close(after, luma)
    spread = y.flatten(1).std(1) / x.flatten(1).std(1)
    assert spread.min() < 0.8 and spread.max() > 1.2
    both = photometric(colour=colour, jitter=1.0, brightness=0.2, contrast=0.9)(x, seeded())
    level = torch.einsum("c,bchw->b", weight, both) / 96 / luma
    assert 0.8 <= level.min() < 0.85 and 1.15 < level.max() <= 1.2


def test_contrast_of_a_wave_is_a_gain_and_its_brightness_nothing():
    x = 0.5 * sample(GRIDS["wave"]).x
    y = photometric(colour=False, range=(-1.0, 1.0), signal=True, jitter=1.0, contrast=0.4)(x, seeded())
    gain = (y / x)[:, :, :1]
    torch.testing.assert_close(y / x, gain.expand_as(x))
    assert gain.std() > 0.1
    assert torch.equal(
        photometric(colour=False, range=(-1.0, 1.0), signal=True, jitter=1.0, brightness=0.4)(x, seeded()), x
    )


def test_brightness_of_logarithms_is_loudness():
    x = sample(GRIDS["logmel"], 64).x.clamp(-10, 5)
    y = photometric(colour=False, range=(-14.0, 6.0), log=True, jitter=1.0, brightness=0.4)(x, seeded())
    gain = (y - x).exp()
    torch.testing.assert_close(gain, gain[:, :1, :1, :1].expand_as(gain))
    assert 0.6 <= gain.min() < 0.65 and 1.35 < gain.max() <= 1.4001


def test_hue_and_saturation_leave_grey_grey():
    x = sample(GRIDS["grey"]).x.expand(-1, 3, -1, -1)
    options = {"jitter": 1.0, "saturation": 0.8, "hue": 0.3}
    torch.testing.assert_close(photometric(**options)(x, seeded()), x)
    coloured = sample(GRIDS["image"]).x
    assert not torch.allclose(photometric(**options)(coloured, seeded()), coloured, atol=0.05)


@pytest.mark.parametrize("turns", [-0.5, -0.1, 0.07, 1 / 3])
def test_hue_is_that_of_hsv(turns):
    """Against the standard library's, colour by colour."""
    x = torch.rand(1, 3, 4, 5, generator=seeded())
    x[0, :, 0] = x[0, :1, 0]  # greys
    x[0, :2, 1] = 0.9  # two channels alike
    turned = hue_turned(x, torch.tensor([turns]))
    for before, after in zip(x[0].flatten(1).T.tolist(), turned[0].flatten(1).T.tolist(), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*before)
        assert after == pytest.approx(colorsys.hsv_to_rgb((hue + turns) % 1, saturation, value), abs=1e-5)


def test_hue_is_turned_as_torchvision_turns_it():
    x = torch.rand(6, 3, 9, 7, generator=seeded())
    turns = torch.tensor([-0.5, -0.3, -0.05, 0.0, 0.2, 0.5])
    theirs = torch.stack([adjust_hue(image, float(turn)) for image, turn in zip(x, turns, strict=True)])
    torch.testing.assert_close(hue_turned(x, turns), theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_blur_smooths_the_chosen_and_keeps_constants(name):
    x = sample(GRIDS[name], 64).x
    y = photometric(colour=False, blur=0.5)(x, seeded())
    rough, smooth = (z.diff(dim=-1).flatten(1).abs().mean(1) for z in (x, y))
    same = (y - x).flatten(1).abs().amax(1) < 1e-6
    assert 10 < same.sum() < 54
    assert (smooth[~same] < 0.85 * rough[~same]).all()
    flat = torch.full_like(x, 0.7)
    torch.testing.assert_close(photometric(colour=False, blur=1.0)(flat, seeded()), flat)


def test_photometric_stays_in_the_range():
    grid = GRIDS["image"]
    strong = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.5, "jitter": 1.0}
    x = Crop(**strong).bind(grid)(sample(grid, 64), seeded()).x
    assert x.min() == 0 and x.max() == 1
