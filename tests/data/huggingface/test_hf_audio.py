"""Recordings that the library of Hugging Face loads."""

from __future__ import annotations

import importlib
import io

import pytest
import soundfile
import torch
from helpers.sounds import check_contract, note, sine

from ssl_pipeline.data import LogMel, hf_audio

# `ssl_pipeline.data.hf_audio` is the function; its module goes by this way.
hf_module = importlib.import_module("ssl_pipeline.data.huggingface.hf_audio")


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
    data = hf_audio("parquet", data_files=str(tmp_path / "a.parquet"), rate=8000, seconds=0.5, split={"holdout": 0.25})
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
    data = hf_audio(str(tmp_path / "set"), source="who", split={"holdout": 0.4}, **options)
    check_contract(data)
    assert (len(data.train), len(data.test)) == (6, 3) and data.name == "set"
    rows = datasets.load_from_disk(str(tmp_path / "set"))["train"]
    names = [None if i % 3 else "same" for i in range(9)]  # a row without a name is a source of its own
    datasets.DatasetDict({"train": rows.add_column("by", names)}).save_to_disk(tmp_path / "unnamed")
    data = hf_audio(str(tmp_path / "unnamed"), source="by", split={"holdout": 0}, label=None, **options)
    assert len(data.train.sources.unique()) == 7
    data = hf_audio(str(tmp_path / "set"), split={"test": "test"}, label=None, **options)
    check_contract(data)
    assert data.classes is None and (len(data.train), len(data.test)) == (9, 5)
    datasets.Dataset.from_dict({"audio": [str(tmp_path / "a.wav")] * 3}).to_parquet(tmp_path / "p.parquet")
    files = {"data_files": str(tmp_path / "p.parquet"), "split": {"holdout": 0}}
    assert len(hf_audio("parquet", **files, **options).train) == 3


@pytest.mark.usefixtures("hub")
def test_hf_mapped_windows_are_found_again(tmp_path, monkeypatch):
    table(6).to_parquet(tmp_path / "a.parquet")
    options = {
        "rate": 8000,
        "seconds": 0.5,
        "cache": {"in_memory": False, "folder": str(tmp_path / "cache")},
        "split": {"holdout": 0},
    }
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
    options = {"data_files": str(tmp_path / "a.parquet"), "rate": 8000, "seconds": 0.5, "split": {"holdout": 0}}
    with pytest.raises(ValueError, match=r"no column 'audio': set data\.audio to one of sound, length"):
        hf_audio("parquet", **options)
    with pytest.raises(ValueError, match=r"no column 'who': set data\.source"):
        hf_audio("parquet", audio="sound", source="who", **options)
    with pytest.raises(ValueError, match=r"2 of 3 recordings cannot be read: row 1 .*row 2 .*expected the bytes"):
        hf_audio("parquet", audio="sound", **options)
    with pytest.warns(UserWarning, match="row 1"):
        assert len(hf_audio("parquet", audio="sound", unreadable={"max_share": 0.7}, **options).train) == 1
