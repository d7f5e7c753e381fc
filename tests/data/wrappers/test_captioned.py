"""Texts that belong to samples: of classes, files, lists and columns."""

from __future__ import annotations

import gzip
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from ssl_pipeline.data import Bytes, MemoryDataset, audio_folder, captioned, digits, hf, tones
from ssl_pipeline.data.wrappers.captioned import file_names, read_list


def test_texts_of_classes_files_and_lists(tmp_path):
    texts = captioned(tones(samples=48), template="the note {}", length=16)
    batch = texts.train[[0, 5]]
    assert Bytes(16).decode(batch.columns["text"].x) == [f"the note {texts.classes[n]}" for n in batch.label]
    for name in ("a/good-morning", "a/one", "b/one", "b/two", "b/three_four"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / f"{name}.wav", np.sin(np.arange(4000)) * 0.3, 8000)
    sounds = audio_folder(str(tmp_path), seconds=0.25, split={"holdout": 0})
    assert len(sounds.train) > 5  # several windows a recording
    found = captioned(sounds, text="file")
    names = [file.rpartition("/")[2] for file in file_names(sounds.train)]
    said = Bytes(32).decode(found.train[torch.arange(len(names))].columns["text"].x)
    assert said == [name.removesuffix(".wav").replace("-", " ").replace("_", " ") for name in names]
    lines = b"; a comment\na/one: One.\nb/one: Uno.\ntwo\tDue: o no.\nthree_four: x\ngood-morning: Good morning.\n"
    (tmp_path / "list.txt.gz").write_bytes(gzip.compress(lines))
    listed = captioned(sounds, text=str(tmp_path / "list.txt.gz"))
    said = dict(
        zip(
            file_names(sounds.train),
            Bytes(32).decode(listed.train[torch.arange(len(names))].columns["text"].x),
            strict=True,
        )
    )
    assert said[str(tmp_path / "a/one.wav")] == "One." and said[str(tmp_path / "b/one.wav")] == "Uno."
    assert said[str(tmp_path / "b/two.wav")] == "Due: o no."
    (tmp_path / "short.txt").write_text("a/one: One.\n")
    with pytest.raises(ValueError, match="has none for"):
        captioned(sounds, text=str(tmp_path / "short.txt"))


def test_what_has_no_texts_says_so(tmp_path):
    some = digits()
    unlabelled = replace(some, train=MemoryDataset(torch.zeros(3, 1, 8, 8), labels=torch.tensor([0, -1, -1])))
    with pytest.raises(ValueError, match="2 samples of digits have no class"):
        captioned(unlabelled)
    with pytest.raises(FileNotFoundError, match="there is no list"):
        read_list(tmp_path / "nowhere.txt")
    (tmp_path / "empty.txt").write_text("nothing here\n")
    with pytest.raises(ValueError, match="no line"):
        read_list(tmp_path / "empty.txt")
    with pytest.raises(ValueError, match="knows no files"):
        captioned(digits(), text="file")
    with pytest.raises(ValueError, match="once"):
        captioned(digits(), template="a picture")


def test_texts_of_a_column(tmp_path):
    datasets = pytest.importorskip("datasets")
    from PIL import Image

    rows = {"image": [Image.new("L", (8, 8), 10 * n) for n in range(20)], "caption": [f"grey {n}" for n in range(20)]}
    datasets.Dataset.from_dict(rows).save_to_disk(str(tmp_path / "set"))
    data = captioned(hf(str(tmp_path / "set"), size=8, channels=1), text="column:caption", length=12)
    batch = data.train[torch.arange(5)]
    assert Bytes(12).decode(batch.columns["text"].x) == [f"grey {round(int(x) / 10)}" for x in batch.x[:, 0, 0, 0]]
    with pytest.raises(ValueError, match="no column 'captoin'; nearest: caption"):
        captioned(hf(str(tmp_path / "set"), size=8, channels=1), text="column:captoin")
