"""Speech Commands and LibriSpeech."""

from __future__ import annotations

import pytest
import torch
from helpers.sounds import check_contract, note

from ssl_pipeline.data import librispeech, speech_commands


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
    data = librispeech(str(books), "dev-clean", download=False, source=source, seconds=1.0, split={"holdout": 0.3})
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
    with pytest.raises(OSError, match=r"no network.*set data.root"):
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
