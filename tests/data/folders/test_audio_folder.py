"""Folders of recordings."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from helpers.sounds import check_contract, note, sine

from ssl_pipeline.data import audio_folder, statistics

DEBIAN = Path("/usr/share/asterisk/sounds")
OPTIONS = {"seconds": 0.5}


@pytest.mark.parametrize("features", ["logmel", "waveform"])
def test_folder_with_classes(sound_tree, features):
    data = audio_folder(str(sound_tree), features=features, split={"holdout": 0.25}, **OPTIONS)
    check_contract(data)
    assert data.classes == ("en", "fr") and data.name == "speech"
    assert (len(data.train), len(data.test)) == (27, 9)  # 3 of 12 recordings, 3 windows each
    recordings = data.train.dataset
    for source, label in zip(data.train.sources.tolist(), data.train.labels.tolist(), strict=True):
        assert f"/{data.classes[label]}/" in recordings.paths[source]
    assert data.train[[0]].valid is None
    if features == "waveform":
        x = audio_folder(str(sound_tree), features=features, split={"holdout": 0}, **OPTIONS).train[[0, 1, 2]].x[:, 0]
        np.testing.assert_allclose(x.flatten(), sine(1.5, hertz=200), atol=1e-4)


def test_sources_by_name_keep_a_sentence_together(sound_tree):
    data = audio_folder(str(sound_tree), source="name", split={"holdout": 0.5}, **OPTIONS)
    check_contract(data)
    assert len(data.train.sources.unique()) == len(data.test.sources.unique()) == 3
    assert torch.bincount(data.train.labels).tolist() == torch.bincount(data.test.labels).tolist() == [9, 9]
    assert set(data.train.dataset.paths) == {"0", "2", "4", "deep/1", "deep/3", "deep/5"}


def test_folder_layouts(sound_tree, tmp_path):
    assert audio_folder(str(sound_tree), labels=False, **OPTIONS).classes is None
    root = tmp_path / "set"
    root.mkdir()
    os.rename(sound_tree, root / "train")
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
    data = audio_folder(str(tmp_path), split={"holdout": 0}, **OPTIONS)
    assert data.classes == ("en", "it") and len(data.train) == 2


def test_lengths_rates_and_padding(tmp_path):
    note(tmp_path / "a.wav", 0.2)
    note(tmp_path / "b.wav", 0.5)
    note(tmp_path / "c.wav", 0.9, rate=44_100)  # 0.4 left of the second window: more than half
    note(tmp_path / "d.wav", 0.7)  # 0.2 left: less
    data = audio_folder(str(tmp_path), split={"holdout": 0}, features="waveform", **OPTIONS)
    check_contract(data)
    assert data.codec.rate == 8000  # the most common one
    assert [Path(data.train.paths[s]).stem for s in data.train.sources] == ["a", "b", "c", "c", "d"]
    valid = data.train[range(5)].valid
    assert valid.sum(1).tolist() == [1600, 4000, 4000, 4000, 4000] and valid[0, :1600].all()
    overlapping = audio_folder(str(tmp_path), split={"holdout": 0}, rate=16_000, windows={"stride": 0.1}, **OPTIONS)
    assert overlapping.codec.rate == 16_000 and len(overlapping.train) == 1 + 1 + 5 + 3
    with pytest.raises(ValueError, match="stride of at least one sample"):
        audio_folder(str(tmp_path), windows={"stride": 0}, **OPTIONS)


def test_unreadable_recordings_are_named_and_left_out(sound_tree):
    (sound_tree / "en" / "broken.wav").write_bytes(b"no sound")
    (sound_tree / "fr" / "empty.flac").touch()
    soundfile.write(sound_tree / "fr" / "nothing.wav", np.zeros(0), 8000)
    soundfile.write(sound_tree / "fr" / "wild.wav", np.full(4000, np.nan), 8000, subtype="FLOAT")
    with pytest.warns(
        UserWarning, match=r"4 of 16 recordings cannot be read: .*broken.wav.*empty.flac \(it is empty\)"
    ):
        data = audio_folder(str(sound_tree), split={"holdout": 0}, unreadable={"max_share": 0.3}, **OPTIONS)
    check_contract(data)
    assert len(data.train) == 36 and data.train.labels.tolist() == [0] * 18 + [1] * 18
    with pytest.raises(ValueError, match=r"4 of 16 recordings.*unreadable\.max_share"):
        audio_folder(str(sound_tree), **OPTIONS)
    with pytest.raises(ValueError, match=r"broken.wav"):
        audio_folder(str(sound_tree), unreadable={"action": "error", "max_share": 1.0}, **OPTIONS)


@pytest.mark.parametrize("kind", ["wav", "aiff", "mp3"])
def test_recordings_cut_short_are_used_as_far_as_they_go(tmp_path, kind):
    note(tmp_path / f"a.{kind}", 2.0)
    note(tmp_path / f"b.{kind}", 2.0)
    content = (tmp_path / f"b.{kind}").read_bytes()
    (tmp_path / f"b.{kind}").write_bytes(content[: len(content) * 6 // 10])
    with pytest.warns(UserWarning, match=rf"1 of 2 recordings end before their headers say: .*b.{kind}"):
        data = audio_folder(str(tmp_path), split={"holdout": 0}, **OPTIONS)
    assert 4 < len(data.train) < 8


def test_folders_that_hold_nothing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"set data\.root to a folder of recordings"):
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
        audio_folder(str(tmp_path), rate=8000, unreadable={"max_share": 1.0}, cache={"in_memory": True})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"source": "speaker"}, "recording, name"),
        ({"unreadable": {"action": "ignore"}}, "unreadable.action=skip"),
        ({"labels": "yes"}, "labels"),
        ({"cache": {"in_memory": "maybe"}}, "cache.in_memory"),
        ({"features": "mfcc"}, "logmel or waveform"),
    ],
)
def test_folder_options_are_checked(sound_tree, options, words):
    with pytest.raises(ValueError, match=words):
        audio_folder(str(sound_tree), **options, **OPTIONS)


def test_statistics_of_sound_leave_padding_out(tmp_path):
    note(tmp_path / "a.wav", 0.25)
    data = audio_folder(str(tmp_path), split={"holdout": 0}, **OPTIONS)
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
