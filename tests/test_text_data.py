"""Codecs of texts, windows of documents, and the four text sets."""

from __future__ import annotations

import inspect
import json
import pickle
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from helpers.paths import CONF

from ssl_pipeline.data import BPE, Bytes, Codec, Dataset, Stream, fortunes, hf_text, pydoc, text_files
from ssl_pipeline.data.io.documents import Documents
from ssl_pipeline.data.io.ngrams import ByteGrams
from ssl_pipeline.data.io.passages import Passages
from ssl_pipeline.structures.batch import Batch

TEXTS = [
    "A tree has branches; the branches have leaves.\n\tThe leaves have a tree.",
    "Дерево имеет ветви, ветви имеют листья. Дерево имеет ветви.",
    "一棵树有树枝，树枝有树叶。一棵树有树枝。　全角空格",
    "emoji 🌳🌲 and \r\n odd \u00a0 blanks\x00\x7f, é ≠ e\u0301",
    "",
]


@pytest.fixture(scope="module")
def bpe():
    return BPE.train(TEXTS * 3, length=400, vocab_size=330)


def check_contract(data):
    """What the engine relies on."""
    assert isinstance(data.codec, Codec)
    assert data.grid == data.codec.grid and data.grid.mask_token == data.grid.vocab - 1
    end = data.grid.vocab - 2
    for part in (data.train, data.test):
        if part is None:
            continue
        assert isinstance(part, Dataset) and not isinstance(part, Stream)
        assert part.sources.shape == (len(part),) and part.sources.dtype == torch.int64
        assert (part.labels is None) == (data.classes is None)
        index = torch.tensor([len(part) - 1, 0])
        batch = part[index]
        assert batch.x.shape == batch.valid.shape == (2, *data.grid.shape) and batch.x.dtype == torch.int64
        assert torch.equal(batch.source, part.sources[index])
        everything = part[range(len(part))]
        assert (everything.x[~everything.valid] == end).all() and (everything.x <= end).all()
        # Valid cells come first; the end that follows a window out of the middle is padding.
        assert (everything.valid.long().diff(dim=1) <= 0).all() and everything.valid[:, 0].all()
        beyond = data.codec.real(everything.x) ^ everything.valid
        assert (beyond.sum(1) <= 1).all() and not (beyond & everything.valid).any()
        features = data.baseline(batch)
        assert features.shape == (2, 4096) and features.dtype == torch.float32 and features.isfinite().all()
        if data.classes is not None:
            assert torch.equal(batch.label, part.labels[index])
            assert int(part.labels.min()) >= 0 and int(part.labels.max()) < len(data.classes)
    if data.test is not None:
        assert not set(data.train.sources.tolist()) & set(data.test.sources.tolist())


def words(data, part):
    """All texts of a part."""
    batch = part[range(len(part))]
    return data.codec.decode(batch.x, batch.valid)


# ---------------------------------------------------------------- codecs


@pytest.mark.parametrize("kind", ["bytes", "bpe"])
def test_round_trip(kind, bpe):
    codec = Bytes(400) if kind == "bytes" else bpe
    again = codec.plain()
    target = again.pop("_target_")
    again = {"ssl_pipeline.data.Bytes": Bytes, "ssl_pipeline.data.BPE": BPE}[target](**json.loads(json.dumps(again)))
    x, valid = codec.encode(TEXTS)
    assert codec.decode(x, valid) == again.decode(x) == TEXTS
    assert torch.equal(again.encode(TEXTS)[0], x) and again.grid == codec.grid
    assert [codec.encode([text])[0][0].tolist() for text in TEXTS] == x.tolist()
    assert torch.equal(codec.encode([text.encode() for text in TEXTS])[0], x)
    assert torch.equal(pickle.loads(pickle.dumps(codec)).encode(TEXTS)[0], x)
    assert valid.sum(1).tolist() == [len(next(iter(codec.symbols([text])))) + 1 for text in TEXTS]


def test_bytes_of_symbols(bpe):
    """Symbols below 256 are bytes in both codecs, and whitespace is never merged."""
    assert Bytes(400).encode(TEXTS[:1])[0][0, : len(TEXTS[0])].tolist() == list(TEXTS[0].encode())
    assert bpe.grid.vocab == 330 and bpe.grid.mask_token == 329
    assert [len(some) for some in bpe.spelling[:256]] == [1] * 256
    assert [some[0] for some in bpe.spelling[:256]] == list(range(256))
    merged = bpe.spelling[256:-2]
    assert len(set(merged)) == len(merged) == 72
    assert not any(set(some) & set(b" \n\t\r") for some in merged)
    x, valid = bpe.encode(TEXTS[:1])
    assert (x[valid] == ord(" ")).sum() == TEXTS[0].count(" ")
    assert int(valid.sum()) < len(TEXTS[0]) * 0.7


def test_long_texts_are_cut_without_an_end(bpe):
    for codec in (Bytes(5), BPE(5, bpe.merges)):
        text = "abcdefghi jklmno 12 34 56"
        x, valid = codec.encode([text, "ab", "q w e"])
        assert valid[0].all() and codec.end not in x[0].tolist() and text.startswith(codec.decode(x, valid)[0])
        assert codec.decode(x)[1:] == ["ab", "q w e"]
        assert codec.end not in x[2].tolist()


def test_decoding_damaged_samples(tmp_path):
    codec = Bytes(6)
    x = torch.tensor([[65, 257, 66, 256, 67, 68], [0xD0, 0x94, 0xD0, 65, 65, 65]])
    assert codec.decode(x) == ["A█B", "Д\ufffdAAA"]
    assert codec.decode(x, torch.arange(6).expand(2, 6) < 2) == ["A█", "Д"]
    file = codec.write(tmp_path / "v1.5", x[1], torch.arange(6) < 2)
    assert file.name == "v1.5.txt" and file.read_bytes() == "Д".encode()


def test_bpe_replaces_what_is_no_utf8(bpe):
    assert bpe.decode(bpe.encode([b"a\xff\xfeb"])[0]) == ["a\ufffd\ufffdb"]


def test_bpe_takes_long_texts_and_few():
    text = "one two " * 40_000 + "x" * 150_000
    codec = BPE.train(["one two one two"], length=8, vocab_size=4096)
    assert codec.grid.vocab < 270  # the texts have no more pairs
    symbols = next(iter(codec.symbols([text])))
    assert b"".join(codec.spelling[symbol] for symbol in symbols.tolist()) == text.encode()
    assert np.array_equal(next(iter(codec.symbols([text, "a"]))), symbols)
    assert codec.encode([text])[0].tolist() == [symbols[:8].tolist()]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Bytes(0), "at least 1"),
        (lambda: BPE.train(["a"], 8, 257), "at least 258"),
        (lambda: BPE(8, [[97, 300]]), "none before it makes"),
    ],
)
def test_codecs_refuse(make, words):
    with pytest.raises(ValueError, match=words):
        make()


# ---------------------------------------------------------------- passages


def as_symbols(*texts):
    return [np.frombuffer(text.encode(), dtype=np.uint8) for text in texts]


def spelt(windows, end=256):
    batch = windows[range(len(windows))]
    return [
        (bytes(s for s in x[v].tolist() if s != end).decode(errors="replace"), end in x[v].tolist())
        for x, v in zip(batch.x, batch.valid, strict=True)
    ]


def test_windows_cut_after_words_and_lose_nothing():
    text = "the quick brown fox jumps over the lazy dog " * 20 + "unbrokenunbrokenunbroken" * 3 + " end"
    windows = Passages(as_symbols(text), end=256, length=32)
    parts = spelt(windows)
    assert "".join(part for part, _ in parts) == text
    assert [closed for _, closed in parts] == [False] * (len(parts) - 1) + [True]
    assert all(part.endswith(" ") for part, _ in parts if "unbroken" not in part and part[-3:] != "end")
    assert all(24 <= len(part) <= 32 for part, _ in parts[:-1])
    assert max(len(part) for part, _ in parts) == 32  # where no blank is near, the window is full


def test_windows_do_not_cross_documents():
    texts = ["ab cd ef gh ij kl", "x", "0123456789", "q r"]
    windows = Passages(as_symbols(*texts), 256, 8, labels=torch.tensor([5, 6, 7, 8]), source=torch.tensor([3, 3, 1, 0]))
    owner = windows.labels - 5
    for number, text in enumerate(texts):
        some = windows[(owner == number).nonzero().flatten()]
        assert "".join(part for part, _ in spelt_batch(some)) == text
        assert (some.source == torch.tensor([3, 3, 1, 0])[number]).all()
        assert [closed for _, closed in spelt_batch(some)][-1]


def spelt_batch(batch):
    return [
        (bytes(s for s in x[v].tolist() if s < 256).decode(), 256 in x[v].tolist())
        for x, v in zip(batch.x, batch.valid, strict=True)
    ]


def test_windows_with_room_for_the_end():
    """A document that fills the window leaves no room for its end, so it takes two."""
    assert spelt(Passages(as_symbols("abcdefg"), 256, 8)) == [("abcdefg", True)]
    assert spelt(Passages(as_symbols("abcdefgh"), 256, 8)) == [("abcdefgh", False), ("", True)]
    assert spelt(Passages(as_symbols("abcdefgh", "i"), 256, 8, min_length=3)) == [("abcdefgh", False), ("i", True)]


@pytest.mark.parametrize("stride", [1, 7, 16, 32])
def test_windows_overlap_by_the_stride(stride):
    text = " ".join(f"word{i}" for i in range(200))
    windows = Passages(as_symbols(text), 256, 32, stride)
    starts = windows.start.diff()
    assert (starts > 0).all() and (starts <= stride + stride // 4).all()
    assert starts.float().mean().item() == pytest.approx(stride, rel=0.1)
    assert (windows.start[1:] <= windows.start[:-1] + windows.size[:-1]).all()  # no gaps
    assert spelt(windows)[-1][1] and sum(closed for _, closed in spelt(windows)) == 1
    if stride == 32:  # a quarter of a smaller stride may hold no blank
        assert all(part.startswith("word") for part, _ in spelt(windows))


def test_windows_keep_characters_whole():
    text = "一棵树有树枝" * 30
    parts = [part for part, _ in spelt(Passages(as_symbols(text), 256, 32))]
    assert "".join(parts) == text and not any("\ufffd" in part for part in parts)


def test_windows_store_compactly_and_fast():
    rng = np.random.default_rng(0)
    text = rng.integers(97, 123, 5_000_000).astype(np.uint8)
    text[rng.random(len(text)) < 0.2] = 32
    start = time.perf_counter()
    windows = Passages(np.split(text, range(0, len(text), 1000))[1:], 256, 128)
    assert time.perf_counter() - start < 5
    assert windows.flat.dtype == torch.int16 and len(windows.flat) == len(text) + 5000
    assert Passages([np.array([40_000], dtype=np.int32)], 40_001, 4).flat.dtype == torch.int32
    batch = windows[torch.randperm(len(windows))[:4096]]
    assert batch.x.dtype == torch.int64 and batch.x.shape == (4096, 128)


@pytest.mark.parametrize(
    ("options", "words"), [({"stride": 9}, "stride"), ({"stride": 0}, "stride"), ({"min_length": 9}, "min_length")]
)
def test_windows_refuse(options, words):
    with pytest.raises(ValueError, match=rf"expected {words} from 1 to the length of a window, 8"):
        Passages(as_symbols("abc"), 256, 8, **options)


def test_windows_of_nothing():
    with pytest.raises(ValueError, match="at least one document"):
        Passages([], 256, 8)


# ---------------------------------------------------------------- baseline


def test_byte_grams_count_runs_within_a_sample():
    """The same as counting by hand; buckets may collide, so numbers of counts are compared, not places."""
    codec = Bytes(16)
    grams = ByteGrams(codec.written)
    x, valid = codec.encode(["abab", "ba", "", "abab"])
    features = grams(Batch(x=x, source=torch.arange(4), valid=valid))
    runs = {}
    for n in (1, 2, 3):
        for i in range(4 - n + 1):
            runs["abab"[i : i + n]] = runs.get("abab"[i : i + n], 0) + 1
    expected = torch.tensor(sorted(runs.values())).float().log1p()
    got = features[0][features[0] > 0].sort().values
    assert torch.allclose(got, expected / expected.norm())
    assert torch.equal(features[0], features[3]) and not features[2].any()
    assert int((features[1] > 0).sum()) == 3
    assert torch.equal(features, grams(Batch(x=x, source=torch.arange(4))))  # padding counts nothing either way


def test_byte_grams_do_not_depend_on_the_codec(bpe):
    plain = Bytes(400)
    rows = []
    for codec in (plain, bpe):
        x, valid = codec.encode(TEXTS)
        rows.append(ByteGrams(codec.written)(Batch(x=x, source=torch.arange(len(x)), valid=valid)))
    assert torch.allclose(*rows)


@pytest.mark.slow
def test_byte_grams_are_fast():
    x = torch.randint(256, (20_000, 256))
    grams = ByteGrams(Bytes(256).written)
    start = time.perf_counter()
    for some in x.split(512):
        grams(Batch(x=some, source=torch.arange(len(some))))
    assert time.perf_counter() - start < 20


# ---------------------------------------------------------------- pydoc


@pytest.mark.parametrize("tokens", ["bytes", "bpe"])
def test_pydoc(tokens):
    data = pydoc(length=64, tokens=tokens, vocab_size=1000)
    check_contract(data)
    assert data.grid.vocab == (258 if tokens == "bytes" else 1000)
    assert data.classes is None and len(data.train) > 1500 and len(data.test) > 200
    assert "".join(words(data, data.train)).count("statement") > 100


def test_pydoc_topics_do_not_quote_each_other():
    data = pydoc(length=128)
    train = "".join(words(data, data.train))
    lines = {line for text in words(data, data.test) for line in text.split("\n") if len(line) > 60}
    assert len(lines) > 100 and sum(line in train for line in lines) < 0.02 * len(lines)


def test_codec_learns_from_the_training_part_only(monkeypatch):
    seen = []
    train = BPE.train.__func__

    def spy(cls, texts, *args):
        seen.extend(texts)
        return train(cls, texts, *args)

    monkeypatch.setattr(BPE, "train", classmethod(spy))
    documents = Documents([f"text number {i}" for i in range(10)], torch.arange(10))
    from ssl_pipeline.data.io.documents import text_data

    parts = documents.set_aside(0.3, seed=0)
    text_data("x", *parts, length=32, stride=None, tokens="bpe", vocab_size=300, min_length=1)
    assert seen == parts[0].texts and len(seen) == 7 and not set(seen) & set(parts[1].texts)


def test_split_depends_on_the_seed_alone():
    splits = [pydoc(length=n, seed=seed).test.sources.unique().tolist() for n, seed in ((64, 0), (128, 0), (64, 1))]
    assert splits[0] == splits[1] != splits[2]
    assert pydoc(holdout=0).test is None


def test_unknown_tokens():
    with pytest.raises(ValueError, match="tokens=bytes or tokens=bpe, got 'words'"):
        pydoc(tokens="words")


# ---------------------------------------------------------------- text_files


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
    data = text_files(str(tree), length=64, holdout=0.2)
    check_contract(data)
    assert data.classes == ("code", "prose") and data.name == "texts"
    assert len(data.train.sources.unique()) == 8 and len(data.test.sources.unique()) == 2
    for text, label in zip(words(data, data.train), data.train.labels.tolist(), strict=True):
        assert data.classes[label] in text
    assert text_files(str(tree), labels=False).classes is None


def test_text_files_by_ending(tree):
    data = text_files(str(tree), endings=[".txt"], holdout=0)
    assert data.classes is None and len(data.train.sources.unique()) == 5
    assert all("prose" in text for text in words(data, data.train))
    with pytest.raises(FileNotFoundError, match=r"no text in .*expected files ending in \.md, \.tex"):
        text_files(str(tree), endings=[".md", ".tex"])
    (tree / "none").mkdir()
    with pytest.raises(FileNotFoundError, match=r"\.txt, \.text, .* or \d+ others; set root .*endings") as caught:
        text_files(str(tree / "none"))
    assert len(str(caught.value)) < len(str(tree)) + 200


def test_text_files_that_are_odd(tree):
    (tree / "prose" / "empty.txt").write_text("")
    (tree / "prose" / "latin.txt").write_bytes("caf\xe9 ".encode("latin-1") * 10)
    (tree / "prose" / "zeros.txt").write_bytes(b"text\0text")
    (tree / "prose" / "marked.txt").write_bytes(b"\xef\xbb\xbfmarked")
    options = {"root": str(tree), "holdout": 0, "max_unreadable": 0.1}
    with pytest.warns(UserWarning) as warned:
        data = text_files(**options)
    told = " ".join(str(w.message) for w in warned)
    assert "1 of 14 texts cannot be read" in told and "zeros.txt" in told
    assert "1 of 14 texts are empty" in told and "empty.txt" in told
    assert "1 of 14 texts are not UTF-8" in told and "latin.txt" in told
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
        text_files(str(tree), unreadable="error")


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
    assert text_files(str(tmp_path / "play.dat"), holdout=0).test is None
    (tmp_path / "play.dat").write_text(1000 * "山川" + "a")  # a cut at any byte would fall inside a character
    parts = text_files(str(tmp_path / "play.dat"), length=64, holdout=0.3)
    assert all(set(words(parts, part)[0]) <= set("山川a") for part in (parts.train, parts.test))
    (tmp_path / "play.dat").write_text("word")
    with pytest.raises(ValueError, match="holdout=0"):
        text_files(str(tmp_path / "play.dat"), holdout=0.01)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"invalid": "maybe"}, "keep, skip or error"),
        ({"unreadable": "maybe"}, "unreadable=skip"),
        ({"labels": "maybe"}, "auto, true or false"),
        ({"holdout": 1.0}, "up to, not including, 1"),
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


# ---------------------------------------------------------------- fortunes

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
    data = fortunes(str(quotes), holdout=0)
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
    data = fortunes(str(quotes), authors=True, holdout=0.5)
    check_contract(data)
    assert sorted(map(len, (data.train, data.test))) == [2, 2]
    assert all(part.sources.unique().numel() == 1 for part in (data.train, data.test))
    assert len(fortunes(str(quotes), min_records=4, holdout=0).train) == 5
    with pytest.raises(ValueError, match="no records are left"):
        fortunes(str(quotes), authors=True, min_records=3)


def test_fortunes_of_all_folders(quotes):
    data = fortunes(str(quotes), recursive=True, holdout=0)
    assert data.classes == ("art", "de/zitate", "law")
    assert "Aus de" in words(data, data.train) and "Aus off" not in words(data, data.train)
    assert fortunes(str(quotes / "off"), holdout=0).classes == ("zitate",)


def test_fortunes_by_name(quotes):
    assert fortunes(str(quotes), files=["law"], holdout=0).classes == ("law",)
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
    data = fortunes(str(tmp_path), holdout=0)
    assert words(data, data.train) == ["《送别》\n山中相送罢", "春草"] and data.train.sources.tolist() == [0, 0]


DEBIAN = Path("/usr/share/games/fortunes")


@pytest.mark.skipif(not (DEBIAN / "literature").is_file(), reason="the package fortunes is not installed")
def test_fortunes_of_debian():
    files = ["art", "literature", "people", "wisdom"]
    data = fortunes(str(DEBIAN), files=files, authors=True)
    check_contract(data)
    assert len(data.train) > 400 and data.classes == tuple(files)
    assert sum("\t-- " in text for text in words(data, data.train)) == 0


# ---------------------------------------------------------------- hf_text


@pytest.fixture
def hub(tmp_path_factory, monkeypatch):
    """The library with an empty cache and without a network."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def rows(n, path, column="text", **columns):
    import datasets

    features = {column: datasets.Value("string"), "label": datasets.ClassLabel(names=["even", "odd"])}
    columns = {column: [f"row {i} " * 20 for i in range(n)], "label": [i % 2 for i in range(n)], **columns}
    datasets.Dataset.from_dict(columns, features=datasets.Features(features)).to_parquet(path)
    return str(path)


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("tokens", ["bytes", "bpe"])
def test_hf_text(tmp_path, tokens):
    file = rows(20, tmp_path / "a.parquet", column="story")
    data = hf_text("parquet", data_files=file, text="story", length=64, tokens=tokens, vocab_size=280)
    check_contract(data)
    assert data.classes == ("even", "odd") and data.name == "parquet"
    assert (data.train.labels == data.train.sources % 2).all() and len(data.test.sources.unique()) == 2
    with pytest.raises(ValueError, match="no column 'text': set text to one of story, label"):
        hf_text("parquet", data_files=file)
    with pytest.raises(ValueError, match="sample 0 is no text but int: set text"):
        hf_text("parquet", data_files=file, text="label")


@pytest.mark.usefixtures("hub")
def test_hf_text_with_a_test_split_and_rows_without_text(tmp_path):
    texts = [None, " ", "some words", "other words"]
    files = {
        "train": rows(4, tmp_path / "train.parquet", text=texts),
        "test": rows(3, tmp_path / "test.parquet"),
    }
    with pytest.warns(UserWarning, match="2 of 4 documents hold no text"):
        data = hf_text("parquet", data_files=files, test_split="test", length=200)
    check_contract(data)
    assert words(data, data.train) == ["some words", "other words"] and data.train.sources.tolist() == [2, 3]
    assert data.test.labels.tolist() == [0, 1, 0]


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("tokens", ["bytes", "bpe"])
def test_hf_text_stream(tmp_path, tokens):
    files = {
        "train": rows(12, tmp_path / "train.parquet"),
        "test": rows(3, tmp_path / "test.parquet", text=["", "a", None]),
    }
    options = {"data_files": files, "length": 16, "tokens": tokens, "vocab_size": 280, "streaming": True}
    data = hf_text("parquet", **options, test_split="test")
    assert isinstance(data.train, Stream) and data.classes == ("even", "odd")
    whole = list(islice(data.train.batches(4, 0, 0, 0, 1), 3))
    batch = whole[0]
    assert batch.x.dtype == torch.int64 and batch.x.shape == (4, 16) and batch.valid.all()
    numbers = [int(text.split()[1]) for one in whole for text in data.codec.decode(one.x)]
    assert sorted(numbers) == list(range(12))
    assert torch.cat([one.label for one in whole]).tolist() == [number % 2 for number in numbers]
    assert torch.equal(next(data.train.batches(4, 0, 2, 0, 1)).x, whole[2].x)
    assert words(data, data.test) == ["", "a", ""] and data.test[[1]].valid.sum() == 2
    assert data.baseline(batch).shape == (4, 4096)
    with pytest.raises(ValueError, match="no column 'story': set text to one of"):
        hf_text("parquet", **options, text="story")


# ---------------------------------------------------------------- the package as a whole


@pytest.mark.parametrize("function", [pydoc, text_files, fortunes, hf_text])
def test_yaml_spells_every_option_with_its_default(function):
    text = (CONF / "data" / f"{function.__name__}.yaml").read_text()
    options = yaml.safe_load(text)
    assert text.startswith("# @package data\n")
    assert options.pop("_target_") == f"ssl_pipeline.data.{function.__name__}"
    parameters = inspect.signature(function).parameters.values()
    assert options == {p.name: "???" if p.default is p.empty else p.default for p in parameters}


def test_first_windows_and_closed_ones():
    documents = [np.frombuffer(b"one two three four", dtype=np.uint8), np.frombuffer(b"five", dtype=np.uint8)]
    first = Passages(documents, end=256, length=8, first=True)
    assert first.sources.tolist() == [0, 1]
    closed = Passages(documents, end=256, length=8, closed=True)
    batch = closed[range(len(closed))]
    texts = [bytes(row[ok].tolist()[:-1]) for row, ok in zip(batch.x, batch.valid, strict=True)]
    assert b"".join(texts) == b"one two three fourfive" and max(map(len, texts)) <= 7
    assert all(row[ok][-1] == 256 for row, ok in zip(batch.x, batch.valid, strict=True))


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("length", [8, 12, 16, 24])
def test_short_windows_lose_no_text(length, closed):
    data = pydoc(length=length, closed=closed, holdout=0)
    batch = data.train[range(len(data.train))]
    held = int((batch.valid & (batch.x < 256)).sum())
    longer = pydoc(length=512, holdout=0).train
    everything = longer[range(len(longer))]
    assert held > 0.99 * int((everything.valid & (everything.x < 256)).sum())
