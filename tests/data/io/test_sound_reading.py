"""Recordings are read, resampled and cut into windows."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch
from helpers.sounds import sine

from ssl_pipeline.data.io.sound import cut_windows, read_sound, resampled


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "aiff", "mp3"])
def test_channels_are_averaged_whatever_the_format(tmp_path, kind):
    file = tmp_path / f"a.{kind}"
    soundfile.write(file, np.stack([sine(0.5), np.zeros(4000, dtype=np.float32)], axis=1), 8000)
    sound = read_sound(file)
    assert sound.rate == 8000 and not sound.cut_short
    exact = kind in ("wav", "flac", "aiff")
    np.testing.assert_allclose(sound.wave[:4000], sine(0.5) / 2, atol=1e-4 if exact else 0.05)


def test_resampling_keeps_the_tone():
    wave = torch.from_numpy(sine(1.0, 11_025, 440))
    for rate in (8000, 16_000, 8001):
        at = resampled(wave, 11_025, rate)
        assert abs(len(at) - rate) <= 1
        inside = slice(rate // 10, rate * 9 // 10)
        np.testing.assert_allclose(at[inside], sine(1.0, rate, 440)[: len(at)][inside], atol=0.01)


def test_what_lies_above_half_the_rate_is_taken_away():
    wave = torch.from_numpy(sine(1.0, 16_000, 6000))
    assert resampled(wave, 16_000, 8000)[400:-400].abs().max() < 0.01


def test_windows():
    wave = torch.arange(1, 26).float()
    cut, lengths = cut_windows(wave[:20], 10, 10)
    assert cut[:, 0].tolist() == [1, 11] and lengths.tolist() == [10, 10]
    assert cut_windows(wave[:24], 10, 10)[0][:, 0].tolist() == [1, 11]  # 4 left: less than half
    assert cut_windows(wave, 10, 10)[0][:, [0, -1]].tolist() == [[1, 10], [11, 20], [16, 25]]
    assert cut_windows(wave[:22], 10, 5)[0][:, 0].tolist() == [1, 6, 11, 13]
    assert cut_windows(wave[:20], 10, 5)[0][:, 0].tolist() == [1, 6, 11]  # the last one ends where the recording does
    assert cut_windows(wave, 10, 20)[0][:, 0].tolist() == [1, 16]
    cut, lengths = cut_windows(wave[:3], 10, 10)
    assert cut.tolist() == [[1, 2, 3, *[0] * 7]] and lengths.tolist() == [3]
