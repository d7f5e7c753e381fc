"""Corruptions of a picture's light do what their options say."""

from __future__ import annotations

import math

import torch
from helpers.views import seeded

from ssl_pipeline.corruptions import ColourCast, Contrast, Exposure, Gamma, Haze, LowLight, Vignette
from ssl_pipeline.corruptions._pictures import PictureCorruption
from ssl_pipeline.structures.batch import View, clean_view
from ssl_pipeline.structures.grid import GridSpec

GRID = GridSpec.of(("y", 32), ("x", 32), channels=3)


def corrupt(corruption: PictureCorruption, x: torch.Tensor) -> View:
    return corruption.bind(GRID)(clean_view(GRID, x), seeded())


def flat(value: float, batch: int = 200) -> torch.Tensor:
    return torch.full((batch, 3, 32, 32), value)


def test_exposure_and_gamma_go_both_ways_and_exposure_clips_at_white():
    x = torch.rand(200, 3, 32, 32, generator=seeded(1))
    stops = corrupt(Exposure(severity=2), x).params["stops"]
    assert stops.abs().eq(1.5).all() and 60 < (stops > 0).sum() < 140
    view = corrupt(Exposure(stops=(-2, 2)), x)
    light = x**2.2 * 2 ** view.params["stops"].view(-1, 1, 1, 1)
    torch.testing.assert_close(view.x, light.clamp(0, 1) ** (1 / 2.2))
    view = corrupt(Gamma(severity=(1, 5)), x)
    assert (view.params["gamma"] > 1).float().mean().sub(0.5).abs() < 0.2
    torch.testing.assert_close(view.x.log(), x.log() * view.params["gamma"].view(-1, 1, 1, 1))


def test_contrast_keeps_the_mean_and_scales_the_deviation():
    x = torch.rand(20, 3, 32, 32, generator=seeded(1))
    found = corrupt(Contrast(contrast=0.3), x).x
    torch.testing.assert_close(found.mean((2, 3)), x.mean((2, 3)))
    torch.testing.assert_close(found.std((2, 3)), 0.3 * x.std((2, 3)))


def test_low_light_counts_photons():
    light = corrupt(LowLight(stops=1.0, photons=400.0, read=3.0), flat(0.8)).x ** 2.2
    mean = 0.8**2.2 / 2
    torch.testing.assert_close(light.mean(), torch.tensor(mean), rtol=0.01, atol=0)
    torch.testing.assert_close(light.var(), torch.tensor(mean / 400 + (3 / 400) ** 2), rtol=0.03, atol=0)


def test_a_cast_has_any_hue_and_no_brightness():
    view = corrupt(ColourCast(stops=0.6), flat(0.5))
    gains = torch.stack([view.params[name] for name in ("red", "green", "blue")], dim=1).log2()
    torch.testing.assert_close(view.x[:, :, 0, 0].log2() + 1, gains)
    torch.testing.assert_close(gains.norm(dim=1), torch.full((200,), 0.6))
    assert gains.sum(1).abs().max() < 1e-5 and (gains.argmax(1).bincount(minlength=3) > 40).all()


def test_haze_is_even_or_patchy_but_never_rough():
    even = corrupt(Haze(density=1.0, airlight=0.9, patchy=0.0), flat(0.1)).x
    torch.testing.assert_close(even, flat(0.1 * math.exp(-1) + 0.9 * (1 - math.exp(-1))))
    patchy = corrupt(Haze(density=1.0, airlight=0.9, patchy=0.8), flat(0.1)).x
    spread = patchy.std((2, 3))
    assert spread.mean() > 0.03 and patchy.diff(dim=3).abs().max() < 0.2 and (patchy[:, 0] == patchy[:, 1]).all()


def test_a_vignette_darkens_the_corners_by_its_loss():
    found = corrupt(Vignette(loss=(0.2, 0.9)), flat(0.5))
    corner = 0.5 * (1 - found.params["loss"])
    for y, x in ((0, 0), (0, 31), (31, 0), (31, 31)):
        torch.testing.assert_close(found.x[:, 0, y, x], corner)
    assert (found.x[:, :, 15:17, 15:17] > 0.49).all() and (found.x[..., 16, 16:].diff(dim=-1) < 0).all()
