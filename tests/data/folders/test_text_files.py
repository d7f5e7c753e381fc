"""Folders of texts."""

from __future__ import annotations

import os

import pytest
from helpers.texts import check_contract, words

from ssl_pipeline.data import text_files


@pytest.fixture
def tree(tmp_path):
    """Ten files in two folders; beside them one that is no text, one that is empty and one in another encoding."""
    root = tmp_path / "texts"
    for folder in ("prose", "code"):
        (root / folder).mkdir(parents=True)
        for number in range(5):
            (root / folder / f"{number}.{'TXT' if folder == 'prose' else 'py'}").write_text(f"{folder} {number} " * 30)
    (root / "prose" / "picture.jpg").write_bytes(b"\xff\xd8")
    return root


def test_text_files(tree):
    data = text_files(str(tree), length=64, split={"holdout": 0.2})
    check_contract(data)
    assert data.classes == ("code", "prose") and data.name == "texts"
    assert len(data.train.sources.unique()) == 8 and len(data.test.sources.unique()) == 2
    for text, label in zip(words(data, data.train), data.train.labels.tolist(), strict=True):
        assert data.classes[label] in text
    assert text_files(str(tree), labels=False).classes is None


def test_text_files_by_ending(tree):
    data = text_files(str(tree), endings=[".txt"], split={"holdout": 0})
    assert data.classes is None and len(data.train.sources.unique()) == 5
    assert all("prose" in text for text in words(data, data.train))
    with pytest.raises(FileNotFoundError, match=r"no text in .*expected files ending in \.md, \.tex"):
        text_files(str(tree), endings=[".md", ".tex"])
    (tree / "none").mkdir()
    with pytest.raises(FileNotFoundError, match=r"\.txt, \.text, .* or \d+ others; set data.root .*endings") as caught:
        text_files(str(tree / "none"))
    assert len(str(caught.value)) < len(str(tree)) + 200


def test_text_files_that_are_odd(tree):
    (tree / "prose" / "empty.txt").write_text("")
    (tree / "prose" / "latin.txt").write_bytes("caf\xe9 ".encode("latin-1") * 10)
    (tree / "prose" / "zeros.txt").write_bytes(b"text\0text")
    (tree / "prose" / "marked.txt").write_bytes(b"\xef\xbb\xbfmarked")
    options = {"root": str(tree), "split": {"holdout": 0}, "unreadable": {"max_share": 0.1}}
    with pytest.warns(UserWarning) as warned:
        data = text_files(**options)
    corruption_params = " ".join(str(w.message) for w in warned)
    assert "1 of 14 texts cannot be read" in corruption_params and "zeros.txt" in corruption_params
    assert "1 of 14 texts are empty" in corruption_params and "empty.txt" in corruption_params
    assert "1 of 14 texts are not UTF-8" in corruption_params and "latin.txt" in corruption_params
    check_contract(data)
    assert len(data.train.sources.unique()) == 12
    assert 0xE9 in data.train[range(len(data.train))].x and "marked" in words(data, data.train)
    with pytest.warns(UserWarning):
        pairs = text_files(**options, tokens="bpe", vocab_size=300)
    assert any("caf\ufffd" in text for text in words(pairs, pairs.train))
    with pytest.warns(UserWarning):
        assert len(text_files(**options, invalid="skip").train.sources.unique()) == 11
    with pytest.warns(UserWarning), pytest.raises(ValueError, match=r"not UTF-8.*latin\.txt"):
        text_files(**options, invalid="error")
    with pytest.raises(ValueError, match=r"1 of 14 texts cannot be read"):
        text_files(str(tree), unreadable={"action": "error"})


def test_what_is_no_file_is_named_and_left_out(tree):
    (tree / "prose/gone.txt").symlink_to("nowhere.txt")
    os.mkfifo(tree / "prose/pipe.txt")
    (tree / "code/zero.txt").symlink_to("/dev/zero")
    with pytest.warns(
        UserWarning, match=r"3 of the names in .* are no files .*: code/zero.txt, prose/gone.txt, prose/pi"
    ):
        assert len(text_files(str(tree), split={"holdout": 0}).train.sources.unique()) == 10
    with pytest.raises(NotADirectoryError, match="expected a folder of texts"):
        text_files(str(tree / "code/zero.txt"))


def test_text_files_train_and_test(tmp_path):
    for part in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / part / name).mkdir(parents=True)
            (tmp_path / part / name / "1.md").write_text(f"{part} {name}")
    data = text_files(str(tmp_path))
    check_contract(data)
    assert words(data, data.train) == ["train a", "train b"] and words(data, data.test) == ["test a", "test b"]
    assert data.classes == ("a", "b") and data.test.labels.tolist() == [0, 1]


def test_text_files_one_file(tmp_path):
    lines = [f"line {i} of the play\n" for i in range(1000)]
    (tmp_path / "play.dat").write_text("".join(lines))
    data = text_files(str(tmp_path / "play.dat"), length=64)
    check_contract(data)
    train, test = "".join(words(data, data.train)), "".join(words(data, data.test))
    assert data.name == "play" and train + test == "".join(lines)
    assert train.endswith("\n") and len(test) == pytest.approx(0.1 * len(train + test), rel=0.05)
    assert text_files(str(tmp_path / "play.dat"), split={"holdout": 0}).test is None
    (tmp_path / "play.dat").write_text(1000 * "山川" + "a")  # a cut at any byte would fall inside a character
    parts = text_files(str(tmp_path / "play.dat"), length=64, split={"holdout": 0.3})
    assert all(set(words(parts, part)[0]) <= set("山川a") for part in (parts.train, parts.test))
    (tmp_path / "play.dat").write_text("word")
    with pytest.raises(ValueError, match=r"set split\.holdout=0"):
        text_files(str(tmp_path / "play.dat"), split={"holdout": 0.01})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"invalid": "maybe"}, "keep, skip or error"),
        ({"unreadable": {"action": "maybe"}}, "unreadable.action=skip"),
        ({"labels": "maybe"}, "auto, true or false"),
        ({"split": {"holdout": 1.0}}, "up to, not including, 1"),
    ],
)
def test_text_files_refuse(tree, options, words):
    with pytest.raises(ValueError, match=words):
        text_files(str(tree), **options)


def test_text_files_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="folder of texts"):
        text_files(str(tmp_path / "missing"))
    (tmp_path / "blank.txt").write_text(" \n")
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="none of the 1 texts"):
        text_files(str(tmp_path))
