"""Losses between spectra of waveforms, against formulas written out here."""

from __future__ import annotations

import cmath
import math

import pytest
import torch
from helpers.cases import GRIDS

from ssl_pipeline.losses import LogMelL1, MultiResolutionSTFT
from ssl_pipeline.losses.stft import mel_filters, stft_power
from ssl_pipeline.structures.grid import GridSpec

WAVE = GridSpec.of(("time", 64, 1 / 8000), channels=2, range=(-1.0, 1.0), signal=True)
SPECTRAL = {
    "stft": MultiResolutionSTFT(sizes=[16, 32]).bind(WAVE),
    "logmel": LogMelL1(n_fft=32, hop=8, mels=4).bind(WAVE),
}


def signals(batch: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, 2, 64, generator=generator), torch.randn(batch, 2, 64, generator=generator)


def periodogram(x: torch.Tensor, size: int, hop: int) -> list[list[float]]:
    """Power of one signal by the definition: frames, then frequencies."""
    window = [0.5 - 0.5 * math.cos(2 * math.pi * k / size) for k in range(size)]
    padded = [0.0] * (size // 2) + x.tolist() + [0.0] * (size // 2)
    frames = []
    for start in range(0, len(x) + 1, hop):
        cut = [w * v for w, v in zip(window, padded[start : start + size], strict=True)]
        waves = [
            sum(v * cmath.exp(-2j * math.pi * f * k / size) for k, v in enumerate(cut)) for f in range(size // 2 + 1)
        ]
        frames.append([abs(c) ** 2 / sum(w * w for w in window) for c in waves])
    return frames


def test_stft_is_convergence_and_log_magnitude():
    a, b = signals(1)
    total = 0.0
    for size in (16, 32):
        for channel in (0, 1):
            ours, theirs = (
                [math.sqrt(p + 1e-4) for frame in periodogram(x[0, channel], size, size // 4) for p in frame]
                for x in (a, b)
            )
            error = sum((p - q) ** 2 for p, q in zip(ours, theirs, strict=True))
            total += math.sqrt(error / sum(q * q for q in theirs))
            total += sum(abs(math.log(p / q)) for p, q in zip(ours, theirs, strict=True)) / len(ours)
    assert SPECTRAL["stft"](a, b).item() == pytest.approx(total / 4, rel=1e-4)


def test_log_mel_is_the_mean_distance_of_logarithms():
    a, b = signals(1)
    edges = [700 * (10 ** (2595 * math.log10(1 + 4000 / 700) * i / 5 / 2595) - 1) for i in range(6)]
    total, count = 0.0, 0
    for channel in (0, 1):
        for ours, theirs in zip(*(periodogram(x[0, channel], 32, 8) for x in (a, b)), strict=True):
            for low, middle, high in zip(edges, edges[1:], edges[2:], strict=False):
                heights = [
                    max(0.0, min((f - low) / (middle - low), (high - f) / (high - middle))) for f in range(0, 4001, 250)
                ]
                p, q = (sum(h * v for h, v in zip(heights, x, strict=True)) / sum(heights) for x in (ours, theirs))
                total, count = total + abs(math.log((p + 1e-4) / (q + 1e-4))), count + 1
    assert SPECTRAL["logmel"](a, b).item() == pytest.approx(total / count, rel=1e-4)


def test_white_noise_has_power_one():
    noise = torch.randn(1, 1, 100_000, generator=torch.Generator().manual_seed(0))
    assert stft_power(noise, 64, 16)[..., 1:-1, 4:-4].mean().item() == pytest.approx(1, abs=0.02)
    assert mel_filters(4, 64, 8000.0).sum(1).tolist() == pytest.approx([1, 1, 1, 1])


@pytest.mark.parametrize("name", SPECTRAL)
def test_spectral_losses_hear_no_sign_and_no_padding(name):
    loss, (a, b) = SPECTRAL[name], signals()
    assert loss(-b, b).item() == pytest.approx(0, abs=1e-6)
    weight = torch.arange(64).expand(3, -1) < 40
    other = torch.where(weight.unsqueeze(1), a, a * 7)
    torch.testing.assert_close(loss(a, b, weight), loss(other, b, weight))
    assert loss(a, b, weight) > 0.1
    torch.testing.assert_close(loss(a, b, weight), loss(a, b, weight.float()))


@pytest.mark.parametrize("name", SPECTRAL)
def test_spectral_losses_survive_silence_and_bfloat16(name):
    loss, (a, b) = SPECTRAL[name], signals()
    prediction = torch.cat([torch.zeros_like(a[:1]), a[:1], b[2:]]).requires_grad_()
    target = torch.cat([b[:1], torch.zeros_like(b[:2])])
    value = loss(prediction, target)
    value.backward()
    assert torch.isfinite(value) and torch.isfinite(prediction.grad).all()
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(loss(prediction, target), value)


@pytest.mark.parametrize(
    ("build", "options", "grid", "sentence"),
    [
        (MultiResolutionSTFT, {}, GRIDS["text"], "symbols along position: take objective=cross_entropy"),
        (LogMelL1, {}, GRIDS["image"], "numbers along y, x: take objective=reconstruct"),
        (MultiResolutionSTFT, {"sizes": [32, 128]}, WAVE, r"at most the 64 of a sample; got \[32, 128\]"),
        (MultiResolutionSTFT, {"sizes": []}, WAVE, "windows are even numbers of samples, at least 4; got"),
        (LogMelL1, {"n_fft": 32, "mels": 40}, WAVE, "mels=40 with n_fft=32 leaves .* take fewer mels"),
        (LogMelL1, {"n_fft": 32, "hop": 0}, WAVE, "hop=0"),
        (LogMelL1, {"n_fft": 32, "eps": 0.0}, WAVE, "eps=0.0: expected a positive number"),
    ],
)
def test_spectral_losses_say_what_they_need(build, options, grid, sentence):
    with pytest.raises(ValueError, match=sentence):
        build(**options).bind(grid)
