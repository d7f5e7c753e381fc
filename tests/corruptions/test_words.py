"""Words and tokens that go or change places at random."""

from __future__ import annotations

from itertools import permutations

import torch
from helpers.byte_texts import FULL, GRID, of_one, read, texts
from helpers.views import seeded

from ssl_pipeline.corruptions import Drop, Infill, Shuffle


def test_a_share_of_the_words_goes():
    text = "a bb ccc dddd eeeee"
    found = of_one(Drop(ratio=0.3, unit="word"), text, 2000)
    words = text.split()
    assert all(" ".join(w for w in words if w in one.split()) == one.strip() for one in found)
    gone = 1 - sum(len(one.split()) for one in found) / 2000 / 5
    assert abs(gone - (0.3 - 0.3**5)) < 0.02  # a text of which nothing would be left stays
    view = Drop(severity=5, unit="word").bind(GRID)(texts(text), seeded())
    assert [*view.params["ratio"]] == [0.5] and not Drop(every=2).bind(GRID)(texts(text), seeded()).params


def test_words_change_places_and_what_is_between_them_does_not():
    found = of_one(Shuffle(unit="word"), "one, two\tthree  four", 2000)
    assert {*found} == {f"{a} {b}\t{c}  {d}" for a, b, c, d in permutations(("one,", "two", "three", "four"))}
    assert abs(sum(one.startswith("two") for one in found) / 2000 - 0.25) < 0.05
    clean = texts(" a b ", "", "x", FULL)
    view = Shuffle(unit="word").bind(GRID)(clean, seeded())
    one, *others, full = read(view)
    assert one in (" a b ", " b a ") and others == ["", "x"] and sorted(full.split()) == sorted(FULL.split())
    assert torch.equal(view.valid, clean.valid)
    place = (view.source_coords[..., 0] - 0.5).round().long()
    assert torch.equal(view.x, clean.x.gather(1, place)) and full != FULL


def test_infill_has_a_ratio_of_each_sample():
    clean = texts(*["x" * 40] * 200)
    view = Infill(severity=[1, 5], empty=False).bind(GRID)(clean, seeded())
    left = ((view.x == ord("x")) & view.valid).sum(1)
    assert torch.equal(left, 40 - (view.params["ratio"] * 40).round().long()) and len(left.unique()) > 10
    assert Infill().bind(GRID).corruption_params == () and Infill(ratio=[0.1, 0.2]).corruption_params == ("ratio",)
