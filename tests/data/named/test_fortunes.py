"""Collections of fortunes, by author and by file."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.texts import check_contract, words

from ssl_pipeline.data import fortunes

ART = """A horse!  My kingdom for a horse!
\t\t-- Wm. Shakespeare, "Richard III"
%
Nobody signed this one.
%
All the world's a stage.
\t\t-- Wm.  Shakespeare, in a play about
\t\t   a forest
%
"Why?" she asked.
-- Because, he said.
It was late.
%
To do is to be.
\t\t-- I. Kant
To be is to do.
\t\t-- J.-P. Sartre
%

%
nobody   signed this one.
"""
LAW = """The defence rests.
-- Bob (1999)
%
The other one rests.
    -- Bob
    of London
%
Silence.
\t\t-- Anonymous
"""


@pytest.fixture
def quotes(tmp_path):
    root = tmp_path / "quotes"
    for folder in ("de", "off", ".hidden"):
        (root / folder).mkdir(parents=True)
        (root / folder / "zitate").write_text(f"Aus {folder}\n\t\t-- Goethe\n%\nMehr aus {folder}\n")
    (root / "art.fortunes").write_text(ART)
    (root / "law").write_text(LAW)
    (root / "law.dat").write_bytes(b"\0\1\2")
    (root / "law.u8").symlink_to("law")
    (root / "alias").symlink_to("law")
    (root / "zitate").symlink_to("de/zitate")
    return root


def test_fortunes(quotes):
    data = fortunes(str(quotes), split={"holdout": 0})
    check_contract(data)
    assert data.classes == ("art", "law") and data.name == "quotes"
    texts = words(data, data.train)
    assert texts == [
        "A horse!  My kingdom for a horse!",
        "Nobody signed this one.",
        "All the world's a stage.",
        '"Why?" she asked.\n-- Because, he said.\nIt was late.',
        "To do is to be.\nTo be is to do.",
        "The defence rests.",
        "The other one rests.",
        "Silence.",
    ]
    assert data.train.sources.tolist() == [0, 1, 0, 2, 3, 4, 4, 5]
    assert data.train.labels.tolist() == [0, 0, 0, 0, 0, 1, 1, 1]


def test_fortunes_of_authors(quotes):
    data = fortunes(str(quotes), authors=True, split={"holdout": 0.5})
    check_contract(data)
    assert sorted(map(len, (data.train, data.test))) == [2, 2]
    assert all(part.sources.unique().numel() == 1 for part in (data.train, data.test))
    assert len(fortunes(str(quotes), min_records=4, split={"holdout": 0}).train) == 5
    with pytest.raises(ValueError, match="no records are left"):
        fortunes(str(quotes), authors=True, min_records=3)


def test_fortunes_of_all_folders(quotes):
    data = fortunes(str(quotes), recursive=True, split={"holdout": 0})
    assert data.classes == ("art", "de/zitate", "law")
    assert "Aus de" in words(data, data.train) and "Aus off" not in words(data, data.train)
    assert fortunes(str(quotes / "off"), split={"holdout": 0}).classes == ("zitate",)


def test_fortunes_by_name(quotes):
    assert fortunes(str(quotes), files=["law"], split={"holdout": 0}).classes == ("law",)
    with pytest.raises(FileNotFoundError, match=r"no collection 'lav'.*nearest: law"):
        fortunes(str(quotes), files=["lav"])
    with pytest.raises(FileNotFoundError, match="no folder"):
        fortunes(str(quotes / "law"))
    (quotes / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="recursive=true"):
        fortunes(str(quotes / "empty"))


def test_fortunes_in_chinese(tmp_path):
    (tmp_path / "poems").write_text(
        "\x1b[32m《送别》\x1b[m\n\x1b[33m作者：王维（７０１－７６１）\x1b[m\n山中相送罢\n%\n春草\n作者:王维\n"
    )
    data = fortunes(str(tmp_path), split={"holdout": 0})
    assert words(data, data.train) == ["《送别》\n山中相送罢", "春草"] and data.train.sources.tolist() == [0, 0]


DEBIAN = Path("/usr/share/games/fortunes")


@pytest.mark.skipif(not (DEBIAN / "literature").is_file(), reason="the package fortunes is not installed")
def test_fortunes_of_debian():
    files = ["art", "literature", "people", "wisdom"]
    data = fortunes(str(DEBIAN), files=files, authors=True)
    check_contract(data)
    assert len(data.train) > 400 and data.classes == tuple(files)
    assert sum("\t-- " in text for text in words(data, data.train)) == 0
