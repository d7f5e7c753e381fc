"""What recordings go through: each family against a measure of its own."""

from __future__ import annotations

import math

import pytest
import torch
from helpers.views import seeded

from ssl_pipeline.corruptions import BandLimit, Clipping, Hum, Mix, PacketLoss, Quantize, Reverb, Speed
from ssl_pipeline.corruptions.packet_loss import lost_packets
from ssl_pipeline.corruptions.reverb import room_response
from ssl_pipeline.data.codecs.log_mel import Spectrum, log_mel_spectrogram
from ssl_pipeline.structures.batch import View, clean_view
from ssl_pipeline.structures.grid import GridSpec

RATE = 8000
WAVE = GridSpec.of(("time", RATE, 1 / RATE), channels=1, range=(-1.0, 1.0), signal=True)
SPECTRUM = Spectrum(rate=RATE, mels=40, hop=80, window=200)
LOGMEL = GridSpec.of(("mel", 40), ("time", 100, 0.01), channels=1, range=SPECTRUM.range, log=True)


def noise(batch: int = 8, grid: GridSpec = WAVE) -> View:
    return clean_view(grid, 0.2 * torch.randn(batch, 1, *grid.shape, generator=seeded(7)))


def tone(hertz: float) -> View:
    return clean_view(WAVE, 0.5 * torch.sin(2 * math.pi * hertz / RATE * torch.arange(RATE)).view(1, 1, -1))


def bands(wave: torch.Tensor) -> View:
    return clean_view(LOGMEL, log_mel_spectrogram(wave[:, 0], SPECTRUM).unsqueeze(1))


def spectrum(x: torch.Tensor) -> torch.Tensor:
    """Power at each hertz."""
    return torch.fft.rfft(x.double()).abs().square().mean((0, 1))


def test_clipping_cuts_at_its_depth_and_leaves_the_rest():
    clean = noise()
    valid = (torch.arange(RATE) < 6000).expand(8, -1)
    clean = clean._replace(x=clean.x.masked_fill(~valid.unsqueeze(1), 9.0), valid=valid)
    view = Clipping(depth_db=(3, 20)).bind(WAVE)(clean, seeded())
    for before, after, depth in zip(clean.x[:, 0, :6000], view.x[:, 0, :6000], view.params["depth_db"], strict=True):
        peak, cut = before.abs().max(), after.abs().max()
        assert abs(20 * math.log10(peak / cut) - depth) < 1e-3
        assert torch.equal(after[before.abs() < cut], before[before.abs() < cut])
        assert (after[before.abs() > cut].abs() == cut).all()


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.5), (0.0, 0.2), (0.075, 0.85)])
def test_nothing_is_left_outside_the_band_and_all_within(low, high):
    clean = noise()
    view = BandLimit(low=low, high=high).bind(WAVE)(clean, seeded())
    inner = slice(1000, 7000)
    window = torch.hann_window(6000)
    before, after = (spectrum(view.x[..., inner] * window) for view in (clean, view))
    share = torch.arange(len(before)) / (len(before) - 1)
    outside = (share > 1.02 * high) | (share < low - 0.01)
    inside = (share < 0.88 * high) & (share > 1.15 * low)
    assert 10 * math.log10(after[outside].mean() / before[outside].mean()) < -60
    assert abs(10 * math.log10(after[inside].mean() / before[inside].mean())) < 0.1
    kept = tone(RATE / 4 * (low + high))
    out = BandLimit(low=low, high=high).bind(WAVE)(kept, seeded()).x
    torch.testing.assert_close(out[..., inner], kept.x[..., inner], rtol=0, atol=5e-3)  # no delay


@pytest.mark.parametrize("name", ["band_limit", "reverb"])
def test_bands_go_where_those_of_the_waveform_go(name):
    """Of noise that stops, as a mean over samples."""
    clean = noise(64)
    clean.x[..., RATE // 2 :] = 0.0
    part = BandLimit(high=0.5, low=0.1, nyquist_hz=RATE / 2) if name == "band_limit" else Reverb(rt60=0.5, drr_db=0.0)
    true, found = (
        power.exp().mean((0, 1))
        for power in (bands(part.bind(WAVE)(clean, seeded()).x).x, part.bind(LOGMEL)(bands(clean.x), seeded()).x)
    )
    frames = (slice(5, 45), slice(55, 95)) if name == "reverb" else (slice(5, 45),)
    for some in frames:
        a, b = true[:, some].mean(1), found[:, some].mean(1)
        near = (10 * (a / b).log10()).abs() < 1.0
        assert near.sum() >= (40 if name == "reverb" else 36) - (a < 1e-4).sum()  # but at the edges of the band
        assert ((a < 1e-4) == (b < 1e-4)).sum() >= 36
    assert (true[:, 10] < 1e-3).sum() >= 10 if name == "band_limit" else (true[:, 55] > 1e-3).all()


@pytest.mark.parametrize("bits", [4, 8])
def test_linear_steps_are_equal_and_their_noise_is_that_of_rounding(bits):
    clean = clean_view(WAVE, 0.9 * (2 * torch.rand(4, 1, RATE, generator=seeded(1)) - 1))
    x = Quantize(bits=bits).bind(WAVE)(clean, seeded()).x
    step = 2.0 ** (1 - bits)
    assert torch.equal(x / step, (x / step).round()) and len(x.unique()) <= 2**bits
    assert abs((x - clean.x).square().mean() / (step**2 / 12) - 1) < 0.05


def test_mu_law_is_as_good_at_any_level():
    loud = torch.tensor([0.9, 0.09, 0.02]).view(3, 1, 1) * torch.sin(0.1 * torch.arange(RATE))
    clean = clean_view(WAVE, loud)
    snr = {}
    for law in ("linear", "mu"):
        error = Quantize(bits=8, law=law).bind(WAVE)(clean, seeded()).x - loud
        snr[law] = 10 * (loud.square().mean((1, 2)) / error.square().mean((1, 2))).log10()
    assert (snr["mu"] > 29).all() and snr["mu"].max() - snr["mu"].min() < 8.5  # G.711: about 38 dB down to -30 dB
    assert snr["linear"][2] < 20 < 44 < snr["linear"][0]
    assert len(Quantize(bits=8, law="mu").bind(WAVE)(clean, seeded()).x.unique()) <= 256
    full = torch.tensor([[[1.0, -1.0, 0.0]]])
    small = GridSpec.of(("time", 3), channels=1, range=(-1.0, 1.0), signal=True)
    torch.testing.assert_close(Quantize(bits=8, law="mu").bind(small)(clean_view(small, full), seeded()).x,
                               full, rtol=0, atol=0.05)  # fmt: skip


@pytest.mark.parametrize(("ratio", "burst"), [(0.1, 1.0), (0.2, 3.0), (0.5, 2.0), (0.02, 2.0)])
def test_packets_are_lost_at_their_share_and_in_bursts(ratio, burst):
    many = torch.ones(400)
    lost = lost_packets(ratio * many, burst * many, 2000, seeded())
    assert abs(lost.float().mean() / ratio - 1) < 0.05
    starts = (lost[:, 1:] & ~lost[:, :-1]).sum()
    assert abs(lost[:, 1:].sum() / starts / burst - 1) < 0.05
    assert abs(lost[:, 0].float().mean() - ratio) < 4 * math.sqrt(ratio / 400)


@pytest.mark.parametrize(("grid", "cells"), [(WAVE, 160), (LOGMEL, 2)])
def test_a_lost_packet_is_silence_of_its_length(grid, cells):
    clean = noise(64, grid)
    x = PacketLoss(ratio=0.3, burst=1).bind(grid)(clean, seeded()).x
    gone = (x == (grid.range[0] if grid.log else 0.0)).flatten(1, -2).all(1)
    assert torch.equal(x.movedim(-1, 1)[~gone], clean.x.movedim(-1, 1)[~gone])
    edges = gone[:, 1:] != gone[:, :-1]
    for row in edges:
        (where,) = row.nonzero(as_tuple=True)
        assert not (where.diff() % cells).any()
    assert abs(gone.float().mean() - 0.3) < 0.04


@pytest.mark.parametrize(("rt60", "drr_db"), [(0.3, 6.0), (0.8, -2.0)])
def test_room_has_its_reverberation_time_and_its_ratio(rt60, drr_db):
    many, cells = torch.ones(64), 2 * RATE
    h = room_response(rt60 * many, drr_db * many, cells, RATE, seeded()).double()
    tail = h[:, 1:].square()
    found = -10 * tail.sum(1).mean().log10()
    assert abs(found - drr_db) < 0.2
    left = 10 * (tail.flip(1).cumsum(1).flip(1) / tail.sum(1, keepdim=True)).clamp(min=1e-9).log10()  # Schroeder
    first, last = ((left > level).sum(1).double().mean() / RATE for level in (-5.0, -35.0))
    assert abs(2 * (last - first) / rt60 - 1) < 0.03


def test_room_does_not_delay_and_nothing_comes_round():
    x = torch.zeros(2, 1, RATE)
    x[:, :, 5000] = 0.5
    out = Reverb(rt60=1.0, drr_db=6.0).bind(WAVE)(clean_view(WAVE, x), seeded()).x
    torch.testing.assert_close(out[..., :5000], torch.zeros(2, 1, 5000), rtol=0, atol=1e-5)
    torch.testing.assert_close(out[..., 5000], x[..., 5000], rtol=0, atol=1e-5)
    assert not torch.equal(out[0], out[1])


def test_hum_has_its_snr_and_sounds_at_multiples_of_the_mains():
    clean = noise(16)
    view = Hum(snr_db=(5, 25), frequency=(50.0,), harmonics=3).bind(WAVE)(clean, seeded())
    hum = view.x - clean.x
    snr = 10 * (clean.x.square().mean((1, 2)) / hum.square().mean((1, 2))).log10()
    torch.testing.assert_close(snr, view.params["snr_db"], rtol=0, atol=0.01)
    power = spectrum(hum)
    assert set(power.topk(3).indices.tolist()) == {50, 100, 150}
    assert power[[50, 100, 150]].sum() / power.sum() > 0.9999
    both = Hum(snr_db=0).bind(WAVE)(clean, seeded()).x - clean.x
    assert {int(torch.fft.rfft(row[0]).abs().argmax()) for row in both} >= {50, 60}


@pytest.mark.parametrize("name", ["wave", "logmel"])
def test_babble_is_several_equally_loud_voices_at_its_snr(name):
    grid = WAVE if name == "wave" else LOGMEL
    clean = noise() if name == "wave" else bands(noise().x)
    loud = torch.logspace(-1, 0, 8).view(-1, 1, 1)
    clean = clean._replace(x=clean.x * loud if name == "wave" else clean.x + 2 * loud.unsqueeze(1).log())
    view = Mix(snr_db=5, voices=3).bind(grid)(clean, seeded())
    power = (lambda x: x.square()) if name == "wave" else torch.exp
    change = view.x - clean.x if name == "wave" else view.x.exp() - clean.x.exp()
    more = change.square() if name == "wave" else change
    snr = 10 * (power(clean.x).flatten(1).mean(1) / more.flatten(1).mean(1)).log10()
    torch.testing.assert_close(snr, torch.full((8,), 5.0), rtol=0, atol=0.3)
    source = clean.x if name == "wave" else clean.x.exp()
    near = torch.corrcoef(torch.cat([change.flatten(1), source.flatten(1)]))[:8, 8:]
    strong = near > 0.4
    assert (strong.sum(1) == 3).all() and not strong.diagonal().any()
    assert (near[strong] - 3**-0.5).abs().max() < 0.1
    two = View(*(part[:2] if isinstance(part, torch.Tensor) else part for part in clean))
    assert torch.equal(Mix(snr_db=5, voices=9).bind(grid)(two, seeded()).x, Mix(snr_db=5).bind(grid)(two, seeded()).x)


@pytest.mark.parametrize(("direction", "factor"), [("faster", 1.25), ("slower", 0.8)])
def test_pitch_and_tempo_follow_the_factor(direction, factor):
    view = Speed(change=0.25, direction=direction).bind(WAVE)(tone(1000), seeded())
    cells = min(RATE, math.ceil(RATE / factor))
    assert view.valid.sum() == cells and not view.x[..., cells:].any()
    expected = 0.5 * torch.sin(2 * math.pi * 1000 * factor / RATE * torch.arange(cells))
    torch.testing.assert_close(view.x[0, 0, 50 : cells - 50], expected[50:-50], rtol=0, atol=5e-3)
    place = view.source_coords[0, :cells, 0] * RATE - 0.5
    torch.testing.assert_close(place, torch.arange(cells) * factor, rtol=0, atol=0.01)


def test_a_faster_sound_has_no_mirrored_frequencies():
    x = Speed(change=0.5, direction="faster").bind(WAVE)(tone(3600), seeded()).x  # would be at 5400 Hz
    assert 10 * math.log10(x[..., 500:4500].square().mean() / 0.125) < -45


@pytest.mark.parametrize("direction", ["faster", "slower"])
def test_bands_move_as_the_pitch_does(direction):
    speed = Speed(change=0.2, direction=direction, nyquist_hz=RATE / 2)
    for hertz in (500, 1500):
        wave = speed.bind(WAVE)(tone(hertz), seeded()).x
        true, found = bands(wave).x, speed.bind(LOGMEL)(bands(tone(hertz).x), seeded()).x
        assert abs(true[0, 0, :, 20].argmax() - found[0, 0, :, 20].argmax()) <= 1
        assert true[0, 0, :, 20].argmax() != bands(tone(hertz).x).x[0, 0, :, 20].argmax()
