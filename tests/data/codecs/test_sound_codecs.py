"""Codecs of sound, there and back, and the baseline of them."""

from __future__ import annotations

import pickle
from math import log
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from helpers.sounds import note, sine

from ssl_pipeline.config.build import build_part
from ssl_pipeline.data import Codec, LogMel, Waveform, tones
from ssl_pipeline.data.codecs.log_mel import Spectrum, log_mel_spectrogram
from ssl_pipeline.data.io.mel_statistics import MelStatistics
from ssl_pipeline.data.io.sound import read_sound
from ssl_pipeline.structures.batch import Batch

DEBIAN = Path("/usr/share/asterisk/sounds")


def test_log_mel_is_what_torchaudio_makes():
    from torchaudio.transforms import MelSpectrogram

    s = Spectrum(rate=8000, mels=40, hop=80, window=200)
    wave = torch.randn(2, 4000, generator=torch.Generator().manual_seed(0)) * 0.1
    theirs = MelSpectrogram(8000, s.fft, 200, 80, n_mels=40, power=2, norm="slaney", normalized="window")(wave)
    # Their bands are normed for infinitely narrow bins, ours for the bins that there are.
    ratio = (log_mel_spectrogram(wave, s).exp() - 1e-8) / theirs[..., :50]
    assert ratio.std(dim=(0, 2)).div(ratio.mean(dim=(0, 2))).max() < 1e-3
    torch.testing.assert_close(ratio.mean((0, 2)) * s.fft / 8000, torch.ones(40), atol=0.3, rtol=0)


@pytest.mark.parametrize(("rate", "mels"), [(8000, 40), (16_000, 40), (16_000, 80), (44_100, 64)])
def test_white_noise_is_flat_and_tells_its_variance(rate, mels):
    codec = LogMel(rate, seconds=1.0, mels=mels)
    noise = torch.randn(20, rate, generator=torch.Generator().manual_seed(0)) * 0.1
    bands = codec.encode(list(noise))[0].exp().mean((0, 1, 3))
    assert bands.min() > 0.0085 and bands.max() < 0.0115


def test_range_goes_from_silence_to_full_scale():
    codec = LogMel(8000, 0.5)
    low, high = codec.grid.range
    square = torch.from_numpy(np.sign(sine(0.5, hertz=100))).float()
    x = codec.encode([torch.zeros(4000), square, torch.from_numpy(sine(0.5, loud=1.0))])[0]
    assert x[0].unique().tolist() == pytest.approx([low]) and low == pytest.approx(log(1e-8))
    assert low < x[1:].max() < high < x[1:].max() + 3


@pytest.mark.parametrize("codec", [Waveform(8000, 0.5), LogMel(8000, 0.5), LogMel(16_000, 0.25, 20, 8, 32)])
def test_codec_contract(codec, tmp_path):
    assert isinstance(codec, Codec)
    whole, half = torch.rand(codec.samples) - 0.5, np.zeros(codec.samples // 2, dtype=np.float32)
    x, valid = codec.encode([whole, half])
    assert x.shape == (2, 1, *codec.grid.shape) and x.dtype == torch.float32
    assert valid.shape == (2, *codec.grid.shape) and valid[0].all()
    assert valid[1].float().mean().item() == pytest.approx(0.5, abs=0.03)
    assert (valid[1].long().diff(dim=-1) <= 0).all()
    assert valid.is_contiguous()  # or it could not be pinned for a GPU
    assert codec.encode([whole])[1] is None
    assert torch.equal(codec.encode([torch.cat([whole, whole])])[0], x[:1])  # cut
    raw = codec.decode(x, valid)
    assert [len(wave) for wave in raw] == [codec.samples, pytest.approx(codec.samples / 2, abs=codec.rate / 100)]
    assert all(len(wave) == codec.samples for wave in codec.decode(x))
    cells = codec.grid.shape[-1] // 2  # a small crop
    hop = codec.spectrum.hop if isinstance(codec, LogMel) else 1
    assert [len(wave) for wave in codec.decode(x[..., :cells])] == [cells * hop] * 2
    assert build_part("codec", codec.plain()) == codec
    assert pickle.loads(pickle.dumps(codec)) == codec
    # Stored small and taken out again, it is the same, nearly.
    stored = codec.compact(whole.unsqueeze(0))
    assert stored.element_size() == 2
    torch.testing.assert_close(codec.expand(stored), x[:1], atol=0.01, rtol=0)
    file = codec.write(tmp_path / "a.sample", x[1], valid[1])
    assert file == tmp_path / "a.sample.wav"
    written = soundfile.info(file)
    assert (written.frames, written.samplerate, written.subtype) == (len(raw[1]), codec.rate, "PCM_16")


def test_waveform_is_lossless_and_clipped(tmp_path):
    codec = Waveform(8000, 0.5)
    steps = np.random.default_rng(0).integers(-32_768, 32_768, 4000).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", steps, 8000)
    wave = read_sound(tmp_path / "a.wav").wave
    assert np.array_equal(codec.compact(wave[None])[0], steps)
    file = codec.write(tmp_path / "b", codec.encode([tmp_path / "a.wav"])[0][0])
    assert np.abs(soundfile.read(file, dtype="int16")[0].astype(int) - steps).max() <= 1
    loud = codec.write(tmp_path / "c", torch.full((1, 4000), 9.0))
    assert soundfile.read(loud)[0].min() > 0.999


def test_encode_reads_files_at_any_rate(tmp_path):
    note(tmp_path / "a.flac", 1.0, rate=22_050, channels=2)
    x, _ = Waveform(8000, 0.5).encode([tmp_path / "a.flac", str(tmp_path / "a.flac"), sine(0.5)])
    assert torch.equal(x[0], x[1])
    torch.testing.assert_close(x[0, 0, 100:-100], x[2, 0, 100:-100], atol=0.01, rtol=0)


@pytest.mark.parametrize("raw", [np.zeros((2, 100), dtype=np.float32), np.zeros(100, dtype=np.int16)])
def test_encode_refuses_what_is_no_channel_of_floats(raw):
    with pytest.raises(ValueError, match="one dimension of floats"):
        LogMel(8000, 0.5).encode([raw])


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: Waveform(8000, 0), "raise seconds"),
        (lambda: LogMel(8000, 0.01), "too short"),
        (lambda: LogMel(8000, 0.5, mels=0), "mels=0"),
        (lambda: LogMel(8000, 0.5, hop_ms=20), "two hops"),
        (lambda: tones(features="mfcc"), "logmel or waveform"),
        (lambda: tones(label="loudness"), "pitch, timbre, envelope"),
        (lambda: tones(samples=5), "at least 12"),
    ],
)
def test_options_are_checked(build, words):
    with pytest.raises(ValueError, match=words):
        build()


def round_trip(codec, wave):
    """Mean error in natural logarithms where it is louder than 40 dB below the loudest cell, and after decoding."""
    x, _ = codec.encode(list(wave))
    state = torch.get_rng_state()
    back = codec.decode(x)
    assert torch.equal(state, torch.get_rng_state())  # global random numbers are left alone
    assert all(torch.equal(a, b) for a, b in zip(back, codec.decode(x), strict=True))
    error = (codec.encode(back)[0] - x).abs()
    return error[x > x.amax((1, 2, 3), keepdim=True) - log(1e4)].mean()


def test_log_mel_leads_back_to_sound_that_has_it():
    data = tones(samples=24, features="waveform")
    assert round_trip(LogMel(8000, 0.5), data.train[range(20)].x[:, 0]) < 0.25


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's asterisk-core-sounds are not installed")
def test_log_mel_leads_back_to_speech_that_has_it():
    files = sorted(DEBIAN.glob("*/vm-*.wav"))[:200:10]
    wave = [read_sound(file).wave for file in files]
    wave = torch.stack([one[:8000] for one in wave if len(one) >= 8000])
    assert len(wave) >= 5 and round_trip(LogMel(8000, 1.0), wave) < 0.2


def test_baseline_leaves_padding_out():
    codec = LogMel(8000, 0.5)
    features = MelStatistics(codec)
    x = torch.randn(2, 1, 40, 50)
    valid = torch.ones(2, 40, 50).bool()
    valid[1, :, 20:] = False
    got = features(Batch(x, torch.arange(2), valid=valid))
    for row, t in ((0, 50), (1, 20)):
        expected = torch.cat([x[row, 0, :, :t].mean(1), x[row, 0, :, :t].std(1, correction=0)])
        torch.testing.assert_close(got[row], expected)


def test_baseline_of_waveforms_is_that_of_their_log_mel():
    options = {"samples": 24, "label": "timbre"}
    loud, quiet = tones(**options, features="waveform"), tones(**options)
    a, b = (data.baseline(data.train[range(20)]) for data in (loud, quiet))
    torch.testing.assert_close(a, b, atol=0.02, rtol=0)
    wave, valid = Waveform(8000, 0.5).encode([sine(0.25)])
    x, frames = LogMel(8000, 0.5).encode([sine(0.25)])
    source = torch.arange(1)
    torch.testing.assert_close(
        loud.baseline(Batch(wave, source, valid=valid)), loud.baseline(Batch(x, source, valid=frames))
    )
