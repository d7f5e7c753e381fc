"""What texts go through: each family against strings that it may make."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from helpers.byte_texts import FULL, GRID, ends, of_one, read, texts
from helpers.views import seeded

from ssl_pipeline.corruptions import OCR, Blanks, Case, Chain, Diacritics, Drop, Infill, Mask, Noise, Shuffle, Typos
from ssl_pipeline.corruptions.diacritics import plain_letter
from ssl_pipeline.corruptions.ocr import ALIKE
from ssl_pipeline.corruptions.typos import keyboard
from ssl_pipeline.data.codecs.text import Bytes
from ssl_pipeline.structures.grid import GridSpec

TEXTS = (
    "The quick brown fox jumps over it",
    "Größe, naïve café: 20 €",
    "日本語 and русский",
    "",
    "a",
    "é",
    " ",
    "no  end\n",
)
FAMILIES = {
    "typos": lambda **o: Typos(**o),
    "ocr": lambda **o: OCR(**o),
    "ocr_merge": lambda **o: OCR(merge=True, **o),
    "diacritics": lambda **o: Diacritics(**o),
    "case": lambda **o: Case(**o),
    "blanks": lambda **o: Blanks(**o),
}


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("options", [{"ratio": 1.0}, {"ratio": 0.4}, {"severity": [1, 5]}])
def test_utf8_end_and_padding_stay(name, options):
    clean = texts(*TEXTS, FULL)
    assert ends(clean) == [1] * len(TEXTS) + [0]
    part = FAMILIES[name](**options).bind(GRID)
    for seed in range(5):
        view = part(clean, seeded(seed))
        found = read(view)
        assert ends(view) == ends(clean)
        last = view.valid.sum(1) - 1
        assert (view.x.gather(1, last[:, None])[:-1] == GRID.end_token).all()
        assert (view.x[~view.valid] == GRID.end_token).all() and not (view.valid[:, 1:] & ~view.valid[:, :-1]).any()
        assert found[3] == "" and all(found[i] for i in (0, 1, 2, 4, 5, 6, 7, 8))
        assert [c for c in found[2] if ord(c) > 383] == [c for c in TEXTS[2] if ord(c) > 383]


@pytest.mark.parametrize("name", FAMILIES)
def test_symbols_that_stay_tell_where_they_were(name):
    clean = texts(*TEXTS, FULL)
    masked = clean._replace(mask=(torch.arange(48) % 5 == 0) & clean.valid)
    view = FAMILIES[name](ratio=0.5).bind(GRID)(masked, seeded())
    place = (view.source_coords[..., 0] - 0.5).expand(view.x.shape).round().long()
    same = (view.x == clean.x.gather(1, place)) & view.valid
    assert same.sum() / view.valid.sum() > (0.2 if name in ("typos", "case") else 0.6)
    assert torch.equal(view.mask[view.valid], (place % 5 == 0)[view.valid])


def test_letters_need_bytes_and_tokens_do_not():
    merged = GridSpec.of(("position", 16), vocab=512, mask_token=511, end_token=510)
    for name, build in FAMILIES.items():
        part = build(ratio=0.5)
        assert part.suits(GRID) and not part.suits(merged)
        if name != "blanks":  # white space stands alone in such a vocabulary, too
            with pytest.raises(ValueError, match="got 512 symbols: use data of text with tokens=bytes"):
                part.bind(merged)
    assert all(part.suits(merged) for part in (Drop, Noise, Shuffle))
    assert not Infill.suits(merged)  # no file holds mask symbols


# ---- typos


@pytest.mark.parametrize(
    ("kind", "ways"),
    [
        (
            "delete",
            {"a b", "ca b", "at b", "ct b", "c b", "t b", "cat ", "ct ", "ca ", "at ", "a ", "c ", "t ", " b", " "},
        ),
        ("swap", {"act b", "cta b"}),
        (
            "double",
            {c + a + t + " " + b for c in ("c", "cc") for a in ("a", "aa") for t in ("t", "tt") for b in ("b", "bb")},
        ),
    ],
)
def test_kinds_of_typos_make_these_strings(kind, ways):
    found = {*of_one(Typos(ratio=0.5, kinds=[kind]), "cat b")}
    assert found == ways | {"cat b"}


def test_neighbours_are_next_to_a_key_and_keep_its_case():
    near = keyboard()
    assert set(near["g"]) == set("tyfhvb") and set(near["q"]) == set("wa") and set(near["m"]) == set("njk")
    assert all(key in near[other] for key, others in near.items() for other in others)
    for text in of_one(Typos(ratio=1.0, kinds=["neighbour"]), "Go é Zz!"):
        assert len(text) == 8 and text[2:5] == " é " and text[7] == "!"
        assert all(b.lower() in near[a.lower()] and a.isupper() == b.isupper()
                   for a, b in zip("GoZz", text[:2] + text[5:7], strict=True))  # fmt: skip
    first = [text[0] for text in of_one(Typos(ratio=1.0, kinds=["neighbour"]), "g", 3000)]
    assert all(abs(first.count(letter) / 3000 - 1 / 6) < 0.03 for letter in "tyfhvb")


def test_typos_have_their_share():
    letters = "abcdefgh" * 5
    changed = of_one(Typos(ratio=0.1, kinds=["neighbour"]), letters)
    share = sum(a != b for text in changed for a, b in zip(letters, text, strict=True)) / 400 / 40
    assert abs(share - 0.1) < 0.01
    lengths = [len(text) for text in of_one(Typos(ratio=0.1, kinds=["delete"]), letters)]
    assert abs(1 - sum(lengths) / 400 / 40 - 0.1) < 0.01
    assert [*Typos(severity=5).bind(GRID)(texts("a"), seeded()).params["ratio"]] == [0.25]


def test_what_has_no_room_is_not_doubled():
    view = Typos(ratio=1.0, kinds=["double"]).bind(GRID)(texts(FULL, FULL[:46]), seeded())
    assert read(view)[0] == FULL and len(read(view)[1]) == 47 and ends(view) == [0, 1]
    found = {*of_one(Typos(ratio=1.0, kinds=["double"]), FULL[:46])}
    assert len(found) > 10  # any letter may be the one that is


# ---- ocr


def test_ocr_reads_what_looks_alike_and_keeps_the_length():
    text = "Bold IS 01, rn"
    for found in of_one(OCR(ratio=1.0), text):
        assert len(found) == len(text)
        assert all(b in ALIKE.get(a, a) for a, b in zip(text, found, strict=True))
    share = sum(a != b for found in of_one(OCR(ratio=0.2), "S5B8") for a, b in zip("S5B8", found, strict=True)) / 1600
    assert abs(share - 0.2) < 0.04


def test_rn_and_m_are_read_as_each_other():
    assert {*of_one(OCR(ratio=1.0, merge=True), "Mrm rn m")} == {"Mrrn m rn"}
    found = {*of_one(OCR(ratio=0.5, merge=True), "rn m")}
    assert {"rn m", "m m", "m rn", "rn rn"} <= found
    assert {*of_one(OCR(ratio=1.0, merge=True), "m" * 47)} == {"m" * 47}  # no room
    some = {*of_one(OCR(ratio=1.0, merge=True), "m" * 46)}
    assert len(some) > 40 and all(len(text) == 47 and text.count("rn") == 1 for text in some)


# ---- diacritics


def test_accents_go_and_other_letters_stay():
    clean = texts("Čeština, žluťoučký kůň", "Größe æ ß ł ø", "plain", "日本 é", "é", "")
    found = read(Diacritics(ratio=1.0).bind(GRID)(clean, seeded()))
    assert found == ["Cestina, zlutoucky kun", "Große æ ß l o", "plain", "日本 e", "e", ""]
    assert plain_letter("÷") is None and plain_letter("Å") == "A"
    ways = {*of_one(Diacritics(ratio=0.5), "éàü")}
    assert ways == {a + b + c for a in "ée" for b in "àa" for c in "üu"}


def test_an_accent_cut_in_two_stays():
    codec = Bytes(4)
    view = Diacritics(ratio=1.0).bind(codec.grid)(texts("abcé", codec=codec), seeded())
    assert view.x.tolist() == [[97, 98, 99, 0xC3]] and view.valid.all()


# ---- case


@pytest.mark.parametrize(("mode", "expected"), [("upper", str.upper), ("lower", str.lower), ("swapped", str.swapcase)])
def test_case_is_that_of_python_on_ascii(mode, expected):
    clean = texts("Hello, World [z]{Z}@`", "日本 Abc", "q", "")
    found = read(Case(ratio=1.0, modes=[mode]).bind(GRID)(clean, seeded()))
    assert found == [expected("Hello, World [z]{Z}@`"), "日本 " + expected("Abc"), expected("q"), ""]
    kept = read(Case(ratio=1.0, modes=[mode]).bind(GRID)(texts("éÉ"), seeded()))
    assert kept == ["éÉ"]


def test_each_sample_draws_a_mode_and_its_letters():
    assert {*of_one(Case(ratio=1.0), "aB")} == {"AB", "ab", "Ab"}
    changed = sum(text.count("A") for text in of_one(Case(ratio=0.25, modes=["upper"]), "a" * 40)) / 400 / 40
    assert abs(changed - 0.25) < 0.02


# ---- blanks


def test_blanks_are_lost_or_doubled():
    assert {*of_one(Blanks(ratio=1.0, lost=1.0), "a bc\td")} == {"abcd"}
    assert {*of_one(Blanks(ratio=1.0, lost=0.0), "a bc\td")} == {"a  bc\t\td"}
    assert {*of_one(Blanks(ratio=0.5), "a b c")} == {f"a{x}b{y}c" for x in ("", " ", "  ") for y in ("", " ", "  ")}
    assert {*of_one(Blanks(ratio=1.0, lost=1.0), " ")} == {" "}


def test_a_chain_of_all_keeps_what_is_hidden():
    clean = texts(*TEXTS, FULL)
    chain = Chain(mask=Mask(ratio=0.3), typos=Typos(), blanks=Blanks(), accents=Diacritics(), ocr=OCR(merge=True))
    view = chain.bind(GRID)(clean, seeded())
    assert torch.equal((view.x == GRID.mask_token) & view.valid, view.mask & view.valid)
    rows = [
        row[valid].tolist()
        for row, valid in zip(view.source_coords[..., 0].expand(view.x.shape), view.valid, strict=True)
    ]
    assert all(abs(b - a) <= 3 for row in rows for a, b in pairwise(row))
