"""Codecs of sound, windows of recordings, and the five audio sets."""

from __future__ import annotations

import importlib
import inspect
import io
import os
import pickle
import time
from math import log
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from helpers.caches import entries
from helpers.paths import CONF

from ssl_pipeline.data import (
    Codec,
    Dataset,
    LogMel,
    MappedDataset,
    MemoryDataset,
    Stream,
    Subset,
    Waveform,
    audio_folder,
    hf_audio,
    librispeech,
    speech_commands,
    statistics,
    tones,
)
from ssl_pipeline.data.codecs.log_mel import Spectrum, log_mel
from ssl_pipeline.data.io.mel_statistics import MelStatistics
from ssl_pipeline.data.io.sound import read_sound, resampled, windows
from ssl_pipeline.structures.batch import Batch

once_module = importlib.import_module("ssl_pipeline.data.cache.decode_cache")
windows_module = importlib.import_module("ssl_pipeline.data.cache.sound_windows")
# `ssl_pipeline.data.hf_audio` is the function; its module goes by this way.
hf_module = importlib.import_module("ssl_pipeline.data.huggingface.hf_audio")
DEBIAN = Path("/usr/share/asterisk/sounds")


def sine(seconds, rate=8000, hertz=440.0, loud=0.5):
    return (loud * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def note(file, seconds, rate=8000, hertz=440.0, channels=1, **kwargs):
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, np.stack([sine(seconds, rate, hertz)] * channels, axis=1), rate, **kwargs)


def check_contract(data):
    """What the engine relies on."""
    assert isinstance(data.codec, Codec) and data.grid == data.codec.grid
    logarithmic = data.grid.names == ("mel", "time")
    assert data.grid.log == logarithmic and data.grid.signal == (not logarithmic)
    low, high = data.grid.range
    for part in (data.train, data.test):
        if part is None:
            continue
        n = len(part)
        assert isinstance(part, Dataset) and not isinstance(part, Stream)
        assert part.sources.shape == (n,) and part.sources.dtype == torch.int64
        for index in ([n - 1, 0], torch.tensor([n - 1, 0])):
            batch = part[index]
            assert batch.x.shape == (2, 1, *data.grid.shape) and batch.x.dtype == torch.float32
            assert batch.valid is None or batch.valid.shape == (2, *data.grid.shape)
            assert torch.equal(batch.source, part.sources[torch.as_tensor(index)])
            assert torch.equal(batch.x[1:], part[[0]].x)
            assert (batch.label is None) == (data.classes is None)
            if data.classes is not None:
                assert torch.equal(batch.label, part.labels[torch.as_tensor(index)])
        everything = part[range(n)]
        assert everything.x.min() >= low - 0.01 and everything.x.max() <= high + 0.01
        assert data.baseline(everything).shape == (n, 80) and data.baseline(everything).isfinite().all()
        if data.classes is not None:
            assert part.labels.min() >= 0 and part.labels.max() < len(data.classes)
    if data.test is not None:
        assert not set(data.train.sources.tolist()) & set(data.test.sources.tolist())


# ---------------------------------------------------------------- reading


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
    cut, lengths = windows(wave[:20], 10, 10)
    assert cut[:, 0].tolist() == [1, 11] and lengths.tolist() == [10, 10]
    assert windows(wave[:24], 10, 10)[0][:, 0].tolist() == [1, 11]  # 4 left: less than half
    assert windows(wave, 10, 10)[0][:, [0, -1]].tolist() == [[1, 10], [11, 20], [16, 25]]
    assert windows(wave[:22], 10, 5)[0][:, 0].tolist() == [1, 6, 11, 13]
    assert windows(wave[:20], 10, 5)[0][:, 0].tolist() == [1, 6, 11]  # the last one ends where the recording does
    assert windows(wave, 10, 20)[0][:, 0].tolist() == [1, 16]
    cut, lengths = windows(wave[:3], 10, 10)
    assert cut.tolist() == [[1, 2, 3, *[0] * 7]] and lengths.tolist() == [3]


# ---------------------------------------------------------------- codecs


def test_log_mel_is_what_torchaudio_makes():
    from torchaudio.transforms import MelSpectrogram

    s = Spectrum(rate=8000, mels=40, hop=80, window=200)
    wave = torch.randn(2, 4000, generator=torch.Generator().manual_seed(0)) * 0.1
    theirs = MelSpectrogram(8000, s.fft, 200, 80, n_mels=40, power=2, norm="slaney", normalized="window")(wave)
    # Their bands are normed for infinitely narrow bins, ours for the bins that there are.
    ratio = (log_mel(wave, s).exp() - 1e-8) / theirs[..., :50]
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
    plain = codec.plain()
    target = plain.pop("_target_").rpartition(".")
    assert getattr(importlib.import_module(target[0]), target[2])(**plain) == codec
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


# ---------------------------------------------------------------- tones


@pytest.mark.parametrize("features", ["logmel", "waveform"])
def test_tones(features):
    data = tones(features=features, samples=240)
    check_contract(data)
    assert (len(data.train), len(data.test)) == (200, 40) and len(data.classes) == 24
    assert data.classes[0] == "A2" and data.classes[3] == "C3" and data.classes[12] == "A3"
    again = tones(features=features, samples=240)
    assert torch.equal(data.test[range(40)].x, again.test[range(40)].x)
    other = tones(features=features, samples=240, seed=1)
    assert not torch.equal(data.test.labels, other.test.labels)


def test_tones_take_no_time_and_are_balanced():
    tones(samples=12)  # what is loaded once
    start = time.process_time()
    data = tones(label="envelope")
    assert time.process_time() - start < 4
    assert torch.bincount(data.train.labels, minlength=3).min() > 600
    assert torch.bincount(data.test.labels, minlength=3).min() > 80


def test_tones_have_the_pitch_that_they_claim():
    data = tones(features="waveform", samples=120, seconds=1.0)
    x = data.train[range(100)].x[:, 0]
    power = torch.fft.rfft(x * torch.hann_window(8000)).abs().square()  # a bin is one Hz
    harmonic = torch.arange(1, 9)

    def strength(row, pitch):
        near = harmonic * 110 * 2 ** (pitch / 12)
        bins = torch.arange(4001)
        return row[((bins[:, None] - near).abs() <= 0.03 * near).any(1)].sum() / row.sum()

    for row, label in zip(power, data.train.labels.tolist(), strict=True):
        own = strength(row, label)
        assert own > 0.3
        assert all(own > strength(row, label + other) for other in (-2, 2, 6))


@pytest.mark.slow
def test_tones_are_learnable_from_the_baseline_but_not_at_once():
    from sklearn.linear_model import LogisticRegression

    for label, low in (("pitch", 0.5), ("timbre", 0.8), ("envelope", 0.7)):
        data = tones(label=label)
        a, b = (data.baseline(part[range(len(part))]).numpy() for part in (data.train, data.test))
        mean, std = a.mean(0), a.std(0)
        probe = LogisticRegression(max_iter=300).fit((a - mean) / std, data.train.labels)
        assert low < probe.score((b - mean) / std, data.test.labels) < 1


# ---------------------------------------------------------------- folder


@pytest.fixture
def tree(tmp_path):
    """Two languages of six sentences, a second and a half each, in many forms."""
    root = tmp_path / "speech"
    for k, language in enumerate(("en", "fr")):
        for number in range(6):
            kind = ("wav", "flac", "ogg")[number % 3]
            place = root / language / ("deep" if number % 2 else ".")
            note(place / f"{number}.{kind}", 1.5, hertz=200 + 100 * number + 50 * k, channels=1 + number % 2)
    (root / "en" / "notes.txt").write_text("no recording")
    (root / "en" / "._0.wav").write_text("no recording either")
    return root


OPTIONS = {"seconds": 0.5, "workers": 2}


@pytest.mark.parametrize("features", ["logmel", "waveform"])
def test_folder_with_classes(tree, features):
    data = audio_folder(str(tree), features=features, holdout=0.25, **OPTIONS)
    check_contract(data)
    assert data.classes == ("en", "fr") and data.name == "speech"
    assert (len(data.train), len(data.test)) == (27, 9)  # 3 of 12 recordings, 3 windows each
    recordings = data.train.dataset
    for source, label in zip(data.train.sources.tolist(), data.train.labels.tolist(), strict=True):
        assert f"/{data.classes[label]}/" in recordings.paths[source]
    assert data.train[[0]].valid is None
    if features == "waveform":
        x = audio_folder(str(tree), features=features, holdout=0, **OPTIONS).train[[0, 1, 2]].x[:, 0]
        np.testing.assert_allclose(x.flatten(), sine(1.5, hertz=200), atol=1e-4)


def test_sources_by_name_keep_a_sentence_together(tree):
    data = audio_folder(str(tree), source="name", holdout=0.5, **OPTIONS)
    check_contract(data)
    assert len(data.train.sources.unique()) == len(data.test.sources.unique()) == 3
    assert torch.bincount(data.train.labels).tolist() == torch.bincount(data.test.labels).tolist() == [9, 9]
    assert set(data.train.dataset.paths) == {"0", "2", "4", "deep/1", "deep/3", "deep/5"}


def test_folder_layouts(tree, tmp_path):
    assert audio_folder(str(tree), labels=False, **OPTIONS).classes is None
    root = tmp_path / "set"
    root.mkdir()
    os.rename(tree, root / "train")
    note(root / "test" / "fr" / "0.wav", 0.7)
    data = audio_folder(str(root), source="name", **OPTIONS)
    check_contract(data)
    assert (len(data.train), len(data.test)) == (36, 1) and data.test.labels.tolist() == [1]
    note(root / "train" / "stray.wav", 0.5)
    with pytest.raises(ValueError, match=r"every recording in one.*labels=false"):
        audio_folder(str(root), labels=True, **OPTIONS)


def test_links_as_in_debian(tmp_path):
    for language in ("en_US_f_Allison", "it_IT_m_Carlo"):
        note(tmp_path / language / "hello.wav", 0.5)
    for short, middle, long in (("en", "en_US", "en_US_f_Allison"), ("it", "it_IT", "it_IT_m_Carlo")):
        (tmp_path / middle).symlink_to(tmp_path / long)
        (tmp_path / short).symlink_to(tmp_path / middle)
    data = audio_folder(str(tmp_path), holdout=0, **OPTIONS)
    assert data.classes == ("en", "it") and len(data.train) == 2


def test_lengths_rates_and_padding(tmp_path):
    note(tmp_path / "a.wav", 0.2)
    note(tmp_path / "b.wav", 0.5)
    note(tmp_path / "c.wav", 0.9, rate=44_100)  # 0.4 left of the second window: more than half
    note(tmp_path / "d.wav", 0.7)  # 0.2 left: less
    data = audio_folder(str(tmp_path), holdout=0, features="waveform", **OPTIONS)
    check_contract(data)
    assert data.codec.rate == 8000  # the most common one
    assert [Path(data.train.paths[s]).stem for s in data.train.sources] == ["a", "b", "c", "c", "d"]
    valid = data.train[range(5)].valid
    assert valid.sum(1).tolist() == [1600, 4000, 4000, 4000, 4000] and valid[0, :1600].all()
    overlapping = audio_folder(str(tmp_path), holdout=0, rate=16_000, stride=0.1, **OPTIONS)
    assert overlapping.codec.rate == 16_000 and len(overlapping.train) == 1 + 1 + 5 + 3
    with pytest.raises(ValueError, match="stride of at least one sample"):
        audio_folder(str(tmp_path), stride=0, **OPTIONS)


def test_unreadable_recordings_are_named_and_left_out(tree):
    (tree / "en" / "broken.wav").write_bytes(b"no sound")
    (tree / "fr" / "empty.flac").touch()
    soundfile.write(tree / "fr" / "nothing.wav", np.zeros(0), 8000)
    soundfile.write(tree / "fr" / "wild.wav", np.full(4000, np.nan), 8000, subtype="FLOAT")
    with pytest.warns(
        UserWarning, match=r"4 of 16 recordings cannot be read: .*broken.wav.*empty.flac \(it is empty\)"
    ):
        data = audio_folder(str(tree), holdout=0, max_unreadable=0.3, **OPTIONS)
    check_contract(data)
    assert len(data.train) == 36 and data.train.labels.tolist() == [0] * 18 + [1] * 18
    with pytest.raises(ValueError, match=r"4 of 16 recordings.*max_unreadable"):
        audio_folder(str(tree), **OPTIONS)
    with pytest.raises(ValueError, match=r"broken.wav"):
        audio_folder(str(tree), unreadable="error", max_unreadable=1.0, **OPTIONS)


@pytest.mark.parametrize("kind", ["wav", "aiff", "mp3"])
def test_recordings_cut_short_are_used_as_far_as_they_go(tmp_path, kind):
    note(tmp_path / f"a.{kind}", 2.0)
    note(tmp_path / f"b.{kind}", 2.0)
    content = (tmp_path / f"b.{kind}").read_bytes()
    (tmp_path / f"b.{kind}").write_bytes(content[: len(content) * 6 // 10])
    with pytest.warns(UserWarning, match=rf"1 of 2 recordings end before their headers say: .*b.{kind}"):
        data = audio_folder(str(tmp_path), holdout=0, **OPTIONS)
    assert 4 < len(data.train) < 8


def test_folders_that_hold_nothing(tmp_path):
    with pytest.raises(FileNotFoundError, match="set root to a folder of recordings"):
        audio_folder(str(tmp_path / "missing"))
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=r"no recording in .* ending in \.wav, \.flac"):
        audio_folder(str(tmp_path))
    with pytest.raises(NotADirectoryError, match="folder of recordings"):
        audio_folder(str(tmp_path / "a.png"))
    (tmp_path / "a.wav").write_bytes(b"no sound")
    with pytest.raises(ValueError, match="none of the 1 recordings can be read"):
        audio_folder(str(tmp_path))
    with pytest.raises(ValueError, match=r"1 of 1 recordings cannot be read.*intact"):
        audio_folder(str(tmp_path), rate=8000, max_unreadable=1.0, in_memory=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"source": "speaker"}, "recording, name"),
        ({"unreadable": "ignore"}, "unreadable=skip"),
        ({"labels": "yes"}, "labels"),
        ({"in_memory": "maybe"}, "in_memory"),
        ({"features": "mfcc"}, "logmel or waveform"),
    ],
)
def test_folder_options_are_checked(tree, options, words):
    with pytest.raises(ValueError, match=words):
        audio_folder(str(tree), **options, **OPTIONS)


@pytest.mark.parametrize("features", ["logmel", "waveform"])
def test_mapped_windows_equal_those_in_memory(tree, tmp_path, monkeypatch, features):
    (tree / "en" / "broken.wav").write_bytes(b"no sound")
    note(tree / "en" / "short.wav", 0.1)
    cache = tmp_path / "cache"
    options = {**OPTIONS, "holdout": 0, "max_unreadable": 0.1, "features": features}
    monkeypatch.setattr(windows_module, "CHUNK", 10_000)  # several parts
    with pytest.warns(UserWarning):
        memory = audio_folder(str(tree), **options)
        mapped = audio_folder(str(tree), **options, in_memory=False, cache=str(cache))
    check_contract(mapped)
    assert isinstance(mapped.train.stored, MappedDataset) and not isinstance(memory.train.stored, MappedDataset)

    def equal(a, b):
        a, b = (part[range(37)] for part in (a, b))
        return all(torch.equal(x, y) for x, y in zip(a[:4], b[:4], strict=True))

    assert equal(memory.train, mapped.train)
    copy = pickle.loads(pickle.dumps(Subset(mapped.train, range(37))))  # as a worker process gets it
    assert equal(copy, mapped.train)
    assert len(pickle.dumps(mapped.train)) < 10_000  # the windows do not travel
    assert len(entries(cache)) == 1

    def refuse(*_):
        raise AssertionError("read again")

    with monkeypatch.context() as patch:
        patch.setattr("ssl_pipeline.data.io.recordings.read_sound", refuse)
        with pytest.warns(UserWarning, match=r"broken.wav"):
            again = audio_folder(str(tree), **options, in_memory=False, cache=str(cache))
    assert equal(memory.train, again.train)
    note(tree / "en" / "broken.wav", 0.5)
    assert len(audio_folder(str(tree), **options, in_memory=False, cache=str(cache)).train) == 38
    audio_folder(str(tree), **{**options, "stride": 0.4}, in_memory=False, cache=str(cache))
    assert len(entries(cache)) == 3


def test_what_takes_its_time_is_read_once(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(windows_module, "CHUNK", 10_000)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    quick = audio_folder(str(tree), holdout=0, **OPTIONS)
    assert type(quick.train.stored) is MemoryDataset and not (tmp_path / "ssl_pipeline").exists()
    monkeypatch.setattr(once_module, "PATIENCE", -1)
    data = audio_folder(str(tree), holdout=0, **OPTIONS)
    assert isinstance(data.train.stored, MappedDataset) and len(data.train) == 36
    assert torch.equal(data.train[range(36)].x, quick.train[range(36)].x)
    assert type(audio_folder(str(tree), holdout=0, in_memory=True, **OPTIONS).train.stored) is MemoryDataset
    monkeypatch.setattr("ssl_pipeline.data.io.recordings.read_sound", lambda *_: pytest.fail("read again"))
    assert torch.equal(audio_folder(str(tree), holdout=0, **OPTIONS).train[range(36)].x, data.train[range(36)].x)


def test_a_disk_that_fills_up_leaves_nothing_behind(tree, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(once_module, "_head", full)
    cache = tmp_path / "cache"
    with pytest.raises(OSError, match=r"No space left.*set cache"):
        audio_folder(str(tree), in_memory=False, cache=str(cache), **OPTIONS)
    monkeypatch.setattr(once_module, "PATIENCE", -1)
    with pytest.warns(UserWarning, match=r"No space left.*every start decodes anew"):
        assert len(audio_folder(str(tree), holdout=0, cache=str(cache), **OPTIONS).train) == 36
    assert not entries(cache)
    monkeypatch.setattr(once_module, "MEMORY_LIMIT", 20 * 40 * 50 * 2)
    with pytest.raises(OSError, match=r"No space left.*set in_memory=true"):
        audio_folder(str(tree), holdout=0, cache=str(cache), **OPTIONS)


def test_statistics_of_sound_leave_padding_out(tmp_path):
    note(tmp_path / "a.wav", 0.25)
    data = audio_folder(str(tmp_path), holdout=0, **OPTIONS)
    mean, _ = statistics(data.train, data.grid)
    assert mean.item() == pytest.approx(data.train[[0]].x[..., :25].mean().item(), abs=1e-4)


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's asterisk-core-sounds are not installed")
@pytest.mark.slow
def test_asterisk_sounds():
    start = time.time()
    with pytest.warns(UserWarning, match="cannot be read"):
        data = audio_folder(str(DEBIAN), seconds=0.5, source="name")
    assert time.time() - start < 60
    check_contract(data)
    assert data.classes == ("en", "es", "fr", "it", "ru") and data.codec.rate == 8000
    assert len(data.train) + len(data.test) > 15_000
    assert torch.bincount(data.test.labels).min() > 200
    held = {data.train.dataset.paths[s] for s in data.test.sources.unique().tolist()}
    assert not held & {data.train.dataset.paths[s] for s in data.train.sources.unique().tolist()}


# ---------------------------------------------------------------- Speech Commands, LibriSpeech


@pytest.fixture
def commands(tmp_path):
    place = tmp_path / "SpeechCommands" / "speech_commands_v0.02"
    for word in ("no", "yes"):
        for speaker in ("0a", "1b", "2c", "3d"):
            note(place / word / f"{speaker}_nohash_0.wav", 1.0, rate=16_000)
    note(place / "yes" / "1b_nohash_1.wav", 0.6, rate=16_000)
    note(place / "_background_noise_" / "rain.wav", 3.0, rate=16_000)
    (place / "validation_list.txt").write_text("no/2c_nohash_0.wav\nyes/2c_nohash_0.wav\n")
    (place / "testing_list.txt").write_text("no/3d_nohash_0.wav\nyes/3d_nohash_0.wav\n")
    return tmp_path


def test_speech_commands(commands):
    data = speech_commands(str(commands), download=False)
    check_contract(data)
    assert data.classes == ("no", "yes") and data.grid.shape == (40, 100)
    assert (len(data.train), len(data.test)) == (5, 2)
    assert data.train.labels.tolist() == [0, 0, 1, 1, 1] and data.test.labels.tolist() == [0, 1]
    assert data.train.paths == ("0a", "1b") and data.train.sources.tolist() == [0, 1, 0, 1, 1]
    assert data.train[range(5)].valid.all(dim=(1, 2)).tolist() == [True, True, True, True, False]


@pytest.fixture
def books(tmp_path):
    for speaker, chapter in ((84, 1), (84, 2), (174, 3), (251, 4)):
        place = tmp_path / "LibriSpeech" / "dev-clean" / str(speaker) / str(chapter)
        for number in range(3):
            note(place / f"{speaker}-{chapter}-{number:04}.flac", 2.5, rate=16_000)
        lines = [f"{speaker}-{chapter}-{number:04} SOME WORDS\n" for number in range(3)]
        (place / f"{speaker}-{chapter}.trans.txt").write_text("".join(lines))
    return tmp_path


@pytest.mark.parametrize(("source", "n"), [("recording", 12), ("chapter", 4), ("speaker", 3)])
def test_librispeech(books, source, n):
    data = librispeech(str(books), "dev-clean", download=False, source=source, seconds=1.0, holdout=0.3)
    check_contract(data)
    assert data.classes == ("174", "251", "84") and len(data.train) + len(data.test) == 36
    sources = torch.cat([data.train.sources, data.test.sources]).unique()
    assert len(sources) == n
    if source == "speaker":
        assert not set(data.train.labels.tolist()) & set(data.test.labels.tolist())


@pytest.mark.parametrize("load", [speech_commands, lambda *args, **kw: librispeech(args[0], "dev-clean", **kw)])
def test_missing_sets_say_what_to_do(tmp_path, monkeypatch, load):
    with pytest.raises(FileNotFoundError, match="download=true"):
        load(str(tmp_path), download=False)

    def fail(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr("torchaudio.datasets.speechcommands.download_url_to_file", fail)
    monkeypatch.setattr("torchaudio.datasets.librispeech.download_url_to_file", fail)
    with pytest.raises(OSError, match=r"no network.*set root"):
        load(str(tmp_path / "a"), download=True)
    assert not list((tmp_path / "a").iterdir())


def test_downloads_land_whole(tmp_path, monkeypatch, commands, books):
    import tarfile

    def fetch(folder):
        def fetch(url, archive, hash_prefix):
            assert len(hash_prefix) in (62, 63, 64)
            with tarfile.open(archive, "w:gz") as packed:
                packed.add(folder, arcname="." if "commands" in url else "LibriSpeech")

        return fetch

    where = commands / "SpeechCommands" / "speech_commands_v0.02"
    monkeypatch.setattr("torchaudio.datasets.speechcommands.download_url_to_file", fetch(where))
    monkeypatch.setattr("torchaudio.datasets.librispeech.download_url_to_file", fetch(books / "LibriSpeech"))
    root = tmp_path / "data"
    assert len(speech_commands(str(root)).train) == 5
    assert len(librispeech(str(root), "dev-clean").train) > 0
    assert sorted(path.name for path in root.iterdir()) == ["LibriSpeech", "SpeechCommands"]


def test_unknown_subset_is_refused(tmp_path):
    with pytest.raises(ValueError, match="dev-clean"):
        librispeech(str(tmp_path), "train-clean")
    with pytest.raises(ValueError, match="recording, chapter, speaker"):
        librispeech(str(tmp_path), source="book")


# ---------------------------------------------------------------- Hugging Face


@pytest.fixture
def hub(tmp_path_factory, monkeypatch):
    """The library with an empty cache and without a network."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def packed(number, kind="WAV"):
    content = io.BytesIO()
    soundfile.write(content, sine(0.6, hertz=200 + 50 * number), 8000, format=kind)
    return content.getvalue()


def table(n, first=0):
    import datasets

    sounds = [{"bytes": packed(first + i, "WAV" if i % 2 else "FLAC"), "path": None} for i in range(n)]
    rows = {
        "audio": sounds,
        "label": ["even" if i % 2 else "odd" for i in range(n)],
        "who": [f"speaker {i % 3}" for i in range(n)],
    }
    # Encoding by `datasets` takes one more package; a column of files is the same on disk.
    return datasets.Dataset.from_dict(rows).cast_column("audio", datasets.Audio(decode=False))


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("decode", [True, False])
def test_hf_parquet(tmp_path, decode):
    import datasets

    rows = table(12).cast_column("audio", datasets.Audio(decode=decode, sampling_rate=16_000 if decode else None))
    rows.to_parquet(tmp_path / "a.parquet")
    data = hf_audio("parquet", data_files=str(tmp_path / "a.parquet"), rate=8000, seconds=0.5, holdout=0.25)
    check_contract(data)
    assert data.classes == ("even", "odd") and (len(data.train), len(data.test)) == (9, 3)
    expected, _ = LogMel(8000, 0.5).encode([sine(0.6, hertz=200 + 50 * int(data.train.sources[4]))])
    torch.testing.assert_close(data.train[[4]].x, expected, atol=0.2, rtol=0)  # 16 bits


@pytest.mark.usefixtures("hub")
def test_hf_sources_splits_and_paths(tmp_path):
    import datasets

    note(tmp_path / "a.wav", 0.6)
    datasets.DatasetDict({"train": table(9), "test": table(5, 20)}).save_to_disk(tmp_path / "set")
    options = {"rate": 8000, "seconds": 0.5, "features": "waveform"}
    data = hf_audio(str(tmp_path / "set"), source="who", holdout=0.4, **options)
    check_contract(data)
    assert (len(data.train), len(data.test)) == (6, 3) and data.name == "set"
    rows = datasets.load_from_disk(str(tmp_path / "set"))["train"]
    names = [None if i % 3 else "same" for i in range(9)]  # a row without a name is a source of its own
    datasets.DatasetDict({"train": rows.add_column("by", names)}).save_to_disk(tmp_path / "unnamed")
    data = hf_audio(str(tmp_path / "unnamed"), source="by", holdout=0, label=None, **options)
    assert len(data.train.sources.unique()) == 7
    data = hf_audio(str(tmp_path / "set"), test_split="test", label=None, **options)
    check_contract(data)
    assert data.classes is None and (len(data.train), len(data.test)) == (9, 5)
    datasets.Dataset.from_dict({"audio": [str(tmp_path / "a.wav")] * 3}).to_parquet(tmp_path / "p.parquet")
    files = {"data_files": str(tmp_path / "p.parquet"), "holdout": 0}
    assert len(hf_audio("parquet", **files, **options).train) == 3


@pytest.mark.usefixtures("hub")
def test_hf_mapped_windows_are_found_again(tmp_path, monkeypatch):
    table(6).to_parquet(tmp_path / "a.parquet")
    options = {"rate": 8000, "seconds": 0.5, "in_memory": False, "cache": str(tmp_path / "cache"), "holdout": 0}
    first = hf_audio("parquet", data_files=str(tmp_path / "a.parquet"), **options)

    def refuse(*_):
        raise AssertionError("read again")

    monkeypatch.setattr(hf_module, "read_sound", refuse)
    again = hf_audio("parquet", data_files=str(tmp_path / "a.parquet"), **options)
    assert torch.equal(first.train[range(6)].x, again.train[range(6)].x)


@pytest.mark.usefixtures("hub")
def test_hf_columns_and_recordings_are_checked(tmp_path):
    import datasets

    rows = {
        "sound": [{"bytes": packed(0), "path": None}, {"bytes": b"no sound", "path": None}, None],
        "length": [1, 2, 3],
    }
    datasets.Dataset.from_dict(rows).to_parquet(tmp_path / "a.parquet")
    options = {"data_files": str(tmp_path / "a.parquet"), "rate": 8000, "seconds": 0.5, "holdout": 0}
    with pytest.raises(ValueError, match="no column 'audio': set audio to one of sound, length"):
        hf_audio("parquet", **options)
    with pytest.raises(ValueError, match="no column 'who': set source"):
        hf_audio("parquet", audio="sound", source="who", **options)
    with pytest.raises(ValueError, match=r"2 of 3 recordings cannot be read: row 1 .*row 2 .*expected the bytes"):
        hf_audio("parquet", audio="sound", **options)
    with pytest.warns(UserWarning, match="row 1"):
        assert len(hf_audio("parquet", audio="sound", max_unreadable=0.7, **options).train) == 1


# ---------------------------------------------------------------- YAML


@pytest.mark.parametrize("function", [tones, audio_folder, speech_commands, librispeech, hf_audio])
def test_yaml_spells_every_option_with_its_default(function):
    text = (CONF / "data" / f"{function.__name__}.yaml").read_text()
    options = yaml.safe_load(text)
    assert text.startswith("# @package data\n")
    assert options.pop("_target_") == f"ssl_pipeline.data.{function.__name__}"
    parameters = inspect.signature(function).parameters.values()
    assert options == {p.name: "???" if p.default is p.empty else p.default for p in parameters}
    lines = [line for line in text.splitlines() if not line.startswith("#") and "_target_" not in line]
    assert all("  # " in line for line in lines)
