"""What corruptions do to waveforms and spectrograms: levels, colours, bands."""

from __future__ import annotations

import math

import pytest
import torch
from helpers.cases import CONTINUOUS, GRIDS, sample
from helpers.views import seeded

from ssl_pipeline.corruptions import LowRes, Mix, Noise
from ssl_pipeline.corruptions._snr import coloured
from ssl_pipeline.structures.batch import View, clean_view
from ssl_pipeline.structures.grid import GridSpec

WAVE = GridSpec.of(("time", 4000, 1 / 8000), channels=1, range=(-1.0, 1.0), signal=True)
LOGMEL = GridSpec.of(("mel", 40), ("time", 100, 0.01), channels=1, range=(-18.0, 6.0), log=True)
IMAGE = GridSpec.of(("y", 48), ("x", 48), channels=3)
LARGE = {"wave": WAVE, "logmel": LOGMEL, "image": IMAGE}


def padded(grid: GridSpec, view: View) -> View:
    """The last axis of sample i ends earlier the larger i is, and strange values follow."""
    size = grid.shape[-1]
    valid = torch.arange(size) < size - (torch.arange(len(view.x)) * size // 12).unsqueeze(1)
    valid = valid.view(-1, *[1] * (grid.ndim - 1), size).expand(-1, *grid.shape).contiguous()
    return view._replace(x=torch.where(valid.unsqueeze(1), view.x, 6.0), valid=valid)


def measured_snr(grid: GridSpec, clean: View, noisy: View, counted: torch.Tensor) -> list[float]:
    """In decibels over the counted cells of each sample."""
    found = []
    for x, y, where in zip(clean.x, noisy.x, counted, strict=True):
        x, y = x[:, where].double(), y[:, where].double()
        if grid.log:
            ratio = x.exp().mean() / (y.exp() - x.exp()).mean()
        elif grid.signal:
            ratio = x.square().mean() / (y - x).square().mean()
        else:
            ratio = (x - x.mean(1, keepdim=True)).square().mean() / (y - x).square().mean()
        found.append(10 * math.log10(ratio))
    return found


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("colour", [0.0, 1.0, [0.0, 2.0]])
def test_noise_has_the_snr_it_tells(name, colour):
    grid = LARGE[name]
    clean = padded(grid, sample(grid))
    view = Noise(snr_db=[-5, 15], colour=colour).bind(grid)(clean, seeded())
    corruption_params = view.params["snr_db"]
    found = torch.tensor(measured_snr(grid, clean, view, clean.valid))
    torch.testing.assert_close(found, corruption_params, rtol=0, atol=0.5)
    assert corruption_params.min() >= -5 and corruption_params.max() <= 15 and corruption_params.std() > 1
    assert torch.equal(view.x.movedim(1, -1)[~clean.valid], clean.x.movedim(1, -1)[~clean.valid])
    assert torch.equal(view.valid, clean.valid)


@pytest.mark.parametrize("name", LARGE)
def test_mix_has_the_snr_it_tells_and_adds_another_sample(name):
    grid = LARGE[name]
    clean = sample(grid)
    clean = clean._replace(x=clean.x + torch.linspace(0, 3 if grid.log else 0, 6).view(-1, *[1] * (grid.ndim + 1)))
    view = Mix(snr_db=[-5, 15]).bind(grid)(clean, seeded())
    everywhere = torch.ones(6, *grid.shape, dtype=torch.bool)
    found = torch.tensor(measured_snr(grid, clean, view, everywhere))
    torch.testing.assert_close(found, view.params["snr_db"], rtol=0, atol=0.5)
    change = (view.x.exp() - clean.x.exp() if grid.log else view.x - clean.x).flatten(1)
    source = (clean.x.exp() if grid.log else clean.x).flatten(1)
    near = torch.corrcoef(torch.cat([change, source]))[:6, 6:]
    shifts = {(int(row.argmax()) - i) % 6 for i, row in enumerate(near)}
    assert (near.amax(1) > 0.98).all() and len(shifts) == 1 and shifts != {0}
    assert len({Mix(snr_db=0).bind(grid)(clean, seeded(s)).x.flatten()[0].item() for s in range(8)}) > 1


@pytest.mark.parametrize("name", CONTINUOUS)
def test_mix_takes_padding_of_neither(name):
    grid = GRIDS[name]
    clean = padded(grid, sample(grid))
    louder = clean._replace(x=torch.where(clean.valid.unsqueeze(1), clean.x, -3.0))
    one, two = (Mix().bind(grid)(view, seeded()).x.movedim(1, -1)[clean.valid] for view in (clean, louder))
    torch.testing.assert_close(one, two, rtol=0, atol=0)


def test_mix_of_one_sample_is_the_sample_and_silence_adds_nothing():
    clean = sample(WAVE, 1)
    assert torch.equal(Mix().bind(WAVE)(clean, seeded()).x, clean.x)
    pair = clean_view(WAVE, torch.cat([clean.x, torch.zeros_like(clean.x)]))
    view = Mix().bind(WAVE)(pair, seeded())
    assert torch.equal(view.x, pair.x)
    assert torch.equal(Noise(snr_db=0).bind(WAVE)(pair, seeded()).x[1], pair.x[1])


@pytest.mark.parametrize("colour", [0.0, 1.0, 2.0])
def test_colour_is_the_slope_of_the_spectrum(colour):
    noise = coloured(torch.randn(64, 1, 4096, generator=seeded()), torch.full((64,), colour))
    torch.testing.assert_close(noise.square().mean((1, 2)), torch.ones(64))
    power = torch.fft.rfft(noise).abs().square().mean((0, 1))[1:-1]
    x, y = torch.arange(1.0, 2048).log(), power.log()
    x, y = x - x.mean(), y - y.mean()
    assert abs((x * y).sum() / (x * x).sum() + colour) < 0.03


def test_colour_of_noise_on_a_spectrogram_falls_band_by_band():
    grid = GridSpec.of(("mel", 32), ("time", 4000, 0.01), channels=1, range=(-30.0, 6.0), log=True)
    clean = clean_view(grid, torch.full((1, 1, 32, 4000), -20.0))
    level = {}
    for colour in (0.0, 2.0):
        noisy = Noise(snr_db=0, colour=colour).bind(grid)(clean, seeded()).x
        level[colour] = (noisy.exp() - clean.x.exp()).mean((0, 1, 3)).log()
    band = (torch.arange(32) + 0.5).log()
    torch.testing.assert_close(level[0.0], level[0.0].mean().expand(32), rtol=0, atol=0.1)
    torch.testing.assert_close((level[2.0] + 2 * band).diff(), torch.zeros(31), rtol=0, atol=0.2)


def test_defaults_follow_the_grid():
    assert Noise().bind(WAVE).corruption_params == Noise().bind(LOGMEL).corruption_params == ("snr_db",)
    assert Noise().bind(IMAGE).corruption_params == Noise(sigma=0.1).bind(WAVE).corruption_params == ("sigma",)
    assert Noise().bind(GRIDS["text"]).corruption_params == ("ratio",)
    assert LowRes().bind(WAVE).upsample == "sinc" and LowRes().bind(LOGMEL).upsample == "linear"


@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("cells", [4000, 4096 - 8])
def test_lowres_cuts_off_above_the_new_nyquist_frequency(factor, cells):
    grid = GridSpec.of(("time", cells), channels=1, range=(-1.0, 1.0), signal=True)
    nyquist = 0.5 / factor
    below = torch.sin(2 * math.pi * 0.8 * nyquist * torch.arange(cells)).view(1, 1, -1)
    above = torch.sin(2 * math.pi * 1.05 * nyquist * torch.arange(cells)).view(1, 1, -1)
    kept, gone = (LowRes(factor=factor).bind(grid)(clean_view(grid, x), seeded()).x for x in (below, above))
    inner = slice(cells // 4, 3 * cells // 4)
    assert kept.shape == below.shape
    torch.testing.assert_close(kept[..., inner], below[..., inner], rtol=0, atol=5e-3)
    assert 10 * math.log10(gone[..., inner].square().mean() / above.square().mean()) < -50


def test_sinc_along_one_axis_leaves_the_other():
    grid = GRIDS["logmel"]
    x = torch.rand(2, 1, 8, 1).expand(2, 1, 8, 12)
    same = LowRes(factor=4, axes=["time"], upsample="sinc").bind(grid)(clean_view(grid, x), seeded()).x
    torch.testing.assert_close(same, x)
