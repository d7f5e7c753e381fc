"""How near restored samples are to the clean ones."""

from __future__ import annotations

import math

import pytest
import torch

from ssl_pipeline.evaluation.fidelity import edit_distance, fidelity
from ssl_pipeline.structures.grid import GridSpec

IMAGE = GridSpec.of(("y", 24), ("x", 24), channels=3)
SOUND = GridSpec.of(("time", 4000, 1 / 8000), channels=1, range=(-1.0, 1.0), signal=True)
TEXT = GridSpec.of(("position", 6), vocab=9)


@pytest.fixture
def draw():
    return torch.Generator().manual_seed(0)


def test_psnr_is_that_of_the_range_and_of_each_sample(draw):
    clean = torch.rand(2, 3, 24, 24, generator=draw)
    off = clean + torch.tensor([0.1, 0.01]).view(2, 1, 1, 1)
    assert fidelity(off, clean, IMAGE)["psnr"].tolist() == pytest.approx([20, 40], abs=1e-3)
    wide = GridSpec.of(("y", 24), ("x", 24), channels=3, range=(-1.0, 1.0))
    assert fidelity(off, clean, wide)["psnr"].tolist() == pytest.approx([26.02, 46.02], abs=0.01)
    assert fidelity(clean, clean, IMAGE)["psnr"].tolist() == pytest.approx([80, 80])


def test_ssim_follows_structure_and_needs_a_window(draw):
    clean = torch.rand(1, 3, 24, 24, generator=draw)
    noisy = clean + 0.3 * torch.randn(clean.shape, generator=draw)
    brighter = clean + (noisy - clean).square().mean().sqrt()
    assert fidelity(noisy, clean, IMAGE)["ssim"] < fidelity(brighter, clean, IMAGE)["ssim"]
    assert fidelity(noisy[:1], clean, IMAGE)["ssim"].shape == (1,)
    small = GridSpec.of(("y", 8), ("x", 8), channels=3)
    assert [*fidelity(clean[..., :8, :8], clean[..., :8, :8], small)] == ["psnr"]


def test_padding_does_not_count(draw):
    clean = torch.rand(1, 3, 24, 24, generator=draw)
    wrong, valid = clean.clone(), torch.ones(1, 24, 24, dtype=torch.bool)
    wrong[..., 12:, :], valid[:, 12:] = 0, False
    assert fidelity(wrong, clean, IMAGE, valid)["psnr"].item() == pytest.approx(80)
    off = fidelity(clean + 0.1, clean, IMAGE, valid)["psnr"]
    assert off.item() == pytest.approx(20, abs=1e-3)


def test_si_sdr_asks_nothing_of_loudness_and_silence_restores_nothing(draw):
    clean = 0.2 * torch.randn(2, 1, 4000, generator=draw)
    noisy = clean + 0.02 * torch.randn(clean.shape, generator=draw)
    assert fidelity(noisy, clean, SOUND)["si_sdr"].tolist() == pytest.approx([20, 20], abs=0.5)
    assert torch.allclose(fidelity(3 * noisy, clean, SOUND)["si_sdr"], fidelity(noisy, clean, SOUND)["si_sdr"])
    assert (fidelity(0 * clean, clean, SOUND)["si_sdr"] == -80).all()


def test_log_spectral_distance_is_in_decibels(draw):
    clean = 0.2 * torch.randn(1, 1, 4000, generator=draw)
    assert fidelity(clean / 2, clean, SOUND)["lsd"].item() == pytest.approx(20 * math.log10(2), abs=1e-3)
    assert fidelity(clean, clean, SOUND)["lsd"].item() == 0


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [("kitten", "sittin", 2), ("abcdef", "bcdefa", 2), ("aaaaaa", "bbbbbb", 6), ("abcdef", "abcdef", 0)],
)
def test_edit_distance_is_levenshteins(a, b, distance):
    assert edit_distance(*(torch.tensor([[ord(c) for c in text]]) for text in (a, b))).item() == distance


def test_errors_of_texts_count_up_to_their_ends():
    clean = torch.tensor([[1, 2, 3, 0, 0, 0], [1, 2, 3, 4, 5, 6]])
    x = torch.tensor([[1, 2, 4, 7, 7, 7], [1, 2, 3, 4, 5, 6]])
    found = fidelity(x, clean, TEXT, clean > 0)
    assert found["cer"].tolist() == pytest.approx([100 / 3, 0]) and found["exact"].tolist() == [0, 100]
