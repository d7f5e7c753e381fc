"""Corruptions of pictures: noise as told, and severities that rise."""

from __future__ import annotations

import pytest
import torch
from helpers.views import seeded
from scipy.stats import poisson as reference

import ssl_pipeline.corruptions as package
from ssl_pipeline.corruptions import Sensor, Shot, Speckle, _poisson
from ssl_pipeline.corruptions._pictures import PictureCorruption
from ssl_pipeline.corruptions._poisson import poisson
from ssl_pipeline.structures.batch import View, clean_view, stored
from ssl_pipeline.structures.grid import GridSpec

GRID = GridSpec.of(("y", 48), ("x", 48), channels=3, storage=255)
FAMILIES = [c for c in vars(package).values() if isinstance(c, type) and issubclass(c, PictureCorruption)]


def smooth(batch: int = 64, grid: GridSpec = GRID) -> View:
    """Smooth pictures: noise of 6 x 6 cells, magnified."""
    coarse = torch.rand(batch, grid.width, 6, 6, generator=seeded(7))
    fine = torch.nn.functional.interpolate(coarse, size=grid.shape[-2:], mode="bicubic").clamp_(0, 1)
    low, high = grid.range
    return clean_view(grid, stored(low + (high - low) * fine, grid))


def distance(severity: float, build: type) -> float:
    clean = smooth()
    view = build(severity=severity).bind(GRID)(clean, seeded())
    return float((stored(view.x, GRID) - clean.x).square().mean())


@pytest.mark.parametrize("build", FAMILIES)
def test_distance_to_the_clean_form_rises_with_severity(build):
    first, third, fifth = (distance(severity, build) for severity in (1, 3, 5))
    assert 0 < first < third < fifth


@pytest.mark.parametrize("build", FAMILIES)
def test_the_range_changes_nothing(build):
    wide = GridSpec.of(*GRID.axes, channels=3, range=(-1.0, 3.0))
    clean = smooth(batch=4)
    one, other = (
        build().bind(grid)(clean._replace(x=x), seeded()).x for grid, x in ((GRID, clean.x), (wide, 4 * clean.x - 1))
    )
    assert ((other + 1) / 4 - one).abs().gt(0.01).float().mean() < 1e-3  # where rounding decides, a few places differ


@pytest.mark.parametrize("rate", [0.0, 0.3, 3.99, 4.0, 7.0, 60.0])
def test_poisson_numbers_have_their_distribution(rate):
    counts = poisson(torch.full((400_000,), rate), seeded()).long()
    found = torch.bincount(counts, minlength=200).double() / len(counts)
    wanted = torch.tensor(reference.pmf(range(len(found)), rate))
    assert (found - wanted).abs().sum() / 2 < 0.005


def test_poisson_numbers_of_a_device_are_those_of_a_processor(monkeypatch):
    rate = torch.linspace(0, 8, 1000)
    drawn = poisson(rate, seeded())
    monkeypatch.setattr(_poisson, "_where_few", _poisson._everywhere)
    assert torch.equal(poisson(rate, seeded()), drawn) and drawn.max() > 8


def test_noise_has_the_variance_of_its_kind():
    grid = GridSpec.of(("y", 64), ("x", 64), channels=1, range=(0.0, 2.0))
    x = torch.tensor([0.2, 1.0]).view(2, 1, 1, 1).expand(2, 1, 64, 64)
    for corruption, variance in (
        (Shot(photons=20), [0.1 / 20 * 4, 0.5 / 20 * 4]),
        (Sensor(shot=0.02, read=0.05), [4 * (0.002 + 0.0025), 4 * (0.01 + 0.0025)]),
        (Speckle(sigma=0.3), [0.06**2, 0.3**2]),
    ):
        found = corruption.bind(grid)(clean_view(grid, x), seeded()).x
        torch.testing.assert_close(found.mean((1, 2, 3)), x[:, 0, 0, 0], rtol=0.05, atol=0)
        torch.testing.assert_close(found.var((1, 2, 3)), torch.tensor(variance), rtol=0.1, atol=0)
