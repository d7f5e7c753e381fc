"""Windows of recordings that are read once."""

from __future__ import annotations

import importlib
import pickle

import pytest
import torch
from helpers.caches import entries
from helpers.sounds import check_contract, note

from ssl_pipeline.data import MappedDataset, MemoryDataset, Subset, audio_folder

once_module = importlib.import_module("ssl_pipeline.data.cache.decode_cache")
windows_module = importlib.import_module("ssl_pipeline.data.cache.sound_windows")


OPTIONS = {"seconds": 0.5}


@pytest.mark.parametrize("features", ["logmel", "waveform"])
def test_mapped_windows_equal_those_in_memory(sound_tree, tmp_path, monkeypatch, features):
    (sound_tree / "en" / "broken.wav").write_bytes(b"no sound")
    note(sound_tree / "en" / "short.wav", 0.1)
    cache = tmp_path / "cache"
    options = {**OPTIONS, "split": {"holdout": 0}, "unreadable": {"max_share": 0.1}, "features": features}
    monkeypatch.setattr(windows_module, "_CHUNK", 10_000)  # several parts
    with pytest.warns(UserWarning):
        memory = audio_folder(str(sound_tree), **options)
        mapped = audio_folder(str(sound_tree), **options, cache={"in_memory": False, "folder": str(cache)})
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
            again = audio_folder(str(sound_tree), **options, cache={"in_memory": False, "folder": str(cache)})
    assert equal(memory.train, again.train)
    note(sound_tree / "en" / "broken.wav", 0.5)
    assert len(audio_folder(str(sound_tree), **options, cache={"in_memory": False, "folder": str(cache)}).train) == 38
    audio_folder(
        str(sound_tree), **{**options, "windows": {"stride": 0.4}}, cache={"in_memory": False, "folder": str(cache)}
    )
    assert len(entries(cache)) == 3


def test_what_takes_its_time_is_read_once(sound_tree, tmp_path, monkeypatch):
    monkeypatch.setattr(windows_module, "_CHUNK", 10_000)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    quick = audio_folder(str(sound_tree), split={"holdout": 0}, **OPTIONS)
    assert type(quick.train.stored) is MemoryDataset and not (tmp_path / "ssl_pipeline").exists()
    monkeypatch.setattr(once_module, "PATIENCE", -1)
    data = audio_folder(str(sound_tree), split={"holdout": 0}, **OPTIONS)
    assert isinstance(data.train.stored, MappedDataset) and len(data.train) == 36
    assert torch.equal(data.train[range(36)].x, quick.train[range(36)].x)
    assert (
        type(audio_folder(str(sound_tree), split={"holdout": 0}, cache={"in_memory": True}, **OPTIONS).train.stored)
        is MemoryDataset
    )
    monkeypatch.setattr("ssl_pipeline.data.io.recordings.read_sound", lambda *_: pytest.fail("read again"))
    assert torch.equal(
        audio_folder(str(sound_tree), split={"holdout": 0}, **OPTIONS).train[range(36)].x, data.train[range(36)].x
    )


def test_a_disk_that_fills_up_leaves_nothing_behind(sound_tree, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(once_module, "_head", full)
    cache = tmp_path / "cache"
    with pytest.raises(OSError, match=r"No space left.*set cache"):
        audio_folder(str(sound_tree), cache={"in_memory": False, "folder": str(cache)}, **OPTIONS)
    monkeypatch.setattr(once_module, "PATIENCE", -1)
    with pytest.warns(UserWarning, match=r"No space left.*every start decodes anew"):
        assert (
            len(audio_folder(str(sound_tree), split={"holdout": 0}, cache={"folder": str(cache)}, **OPTIONS).train)
            == 36
        )
    assert not entries(cache)
    monkeypatch.setattr(once_module, "MEMORY_LIMIT", 20 * 40 * 50 * 2)
    with pytest.raises(OSError, match=r"No space left.*set cache.in_memory=true"):
        audio_folder(str(sound_tree), split={"holdout": 0}, cache={"folder": str(cache)}, **OPTIONS)
