"""What corruptions do to texts that are closed by an end symbol or cut out of a longer text."""

from __future__ import annotations

import pytest
import torch
from helpers.short_texts import BYTES, END, MASK, TEXTS, WINDOW, assert_cells_come_from_their_origin, read, texts
from helpers.views import seeded

from ssl_pipeline.corruptions import Chain, Drop, Infill, Mask, Noise, Reversal, Shuffle
from ssl_pipeline.structures.batch import clean_view

# ---- mask


@pytest.mark.parametrize("ratio", [0.15, 0.5, 0.9])
@pytest.mark.parametrize("full", [False, True])
def test_the_end_symbol_is_not_masked(ratio, full):
    clean = texts(*TEXTS, WINDOW)
    if full:  # no padding that could be hidden in its place
        clean = clean_view(BYTES, clean.x[6:].index_fill(1, torch.tensor([31]), END).expand(8, -1))
    view = Mask(ratio=ratio).bind(BYTES)(clean, seeded())
    assert not view.mask[(clean.x == END) & (clean.valid if clean.valid is not None else True)].any()
    assert set(view.mask.sum(1).tolist()) == {round(32 * ratio)} == {32 - view.visible}


# ---- drop


def test_every_third_token_is_left_out():
    clean = texts(*TEXTS, WINDOW)
    view = Drop(every=3).bind(BYTES)(clean, seeded())
    for before, after in zip([*(t + "$" for t in TEXTS), WINDOW], read(view), strict=True):
        end = "$" if before.endswith("$") else ""
        text = before.removesuffix("$")
        ways = {"".join(s for i, s in enumerate(text) if (i + phase) % 3) for phase in range(3)} - {""} or {text}
        assert after.removesuffix("$") in ways and after.endswith(end)
    assert_cells_come_from_their_origin(view, clean, view.valid)
    assert len({row for seed in range(8) for row in read(Drop(every=3).bind(BYTES)(clean, seeded(seed)))[:1]}) == 3


def test_every_second_word_is_left_out_with_what_follows_it():
    clean = texts(*TEXTS)
    ways = [set() for _ in TEXTS]
    for seed in range(16):
        view = Drop(every=2, unit="word").bind(BYTES)(clean, seeded(seed))
        assert_cells_come_from_their_origin(view, clean, view.valid)
        for way, text in zip(ways, read(view), strict=True):
            way.add(text)
    assert ways[0] == {"the sat the $", "cat on mat$"}
    assert ways[1] == {"Hi$"} and ways[2] == {"$"}
    assert ways[3] == {"to or to $", "be, not be$"}
    assert ways[4] == {" a  c\n$", " b\t$"}


# ---- reversal


def test_texts_are_reversed_within_themselves():
    clean = texts(*TEXTS, WINDOW)
    view = Reversal().bind(BYTES)(clean, seeded())
    assert read(view) == [*(text[::-1] + "$" for text in TEXTS), WINDOW[::-1]]
    assert torch.equal(view.valid, clean.valid) and torch.equal(view.coords, clean.coords)
    assert_cells_come_from_their_origin(view, clean, view.valid)


def test_words_change_their_order_and_keep_their_letters():
    clean = texts(*TEXTS, WINDOW)
    view = Reversal(unit="word").bind(BYTES)(clean, seeded())
    expected = ["mat the on sat cat the$", "Hi$", "$", "be to not or be, to$", "\nc\tb  a $", "no$"]
    assert read(view) == [*expected, "here cut is that text endless an"]
    assert_cells_come_from_their_origin(view, clean, view.valid)


# ---- shuffle, and all of them in a row


def test_shuffle_of_a_text_leaves_its_ragged_end():
    clean = texts(*TEXTS, WINDOW)
    view = Shuffle(window=5).bind(BYTES)(clean, seeded())
    for before, after in zip(read(clean), read(view), strict=True):
        whole = len(before) // 5 * 5 if len(before) < 32 else 30
        assert after[whole:] == before[whole:]
        assert sorted(after[i : i + 5] for i in range(0, whole, 5)) == sorted(
            before[i : i + 5] for i in range(0, whole, 5)
        )
    assert_cells_come_from_their_origin(view, clean, view.valid)


def test_a_chain_of_all_of_them_knows_where_each_symbol_comes_from():
    clean = texts(*TEXTS, WINDOW)
    chain = Chain(
        words=Reversal(unit="word"),
        drop=Drop(every=5),
        shuffle=Shuffle(window=2),
        infill=Infill(ratio=0.2),
        reversal=Reversal(),
    ).bind(BYTES)
    view = chain(clean, seeded())
    assert_cells_come_from_their_origin(view, clean, view.valid & (view.x != MASK))
    assert (view.x == MASK).any()
    masked = Chain(mask=Mask(ratio=0.3), drop=Drop(), noise=Noise()).bind(BYTES)(clean, seeded())
    assert torch.equal((masked.x == MASK) & masked.valid, masked.mask & masked.valid)


def test_wrong_tokens_leave_the_end_where_it_is():
    x = torch.full((200, 32), 65)
    x[:, 20:] = 256
    valid = (torch.arange(32) < 21).expand(200, -1)
    noisy = Noise(ratio=0.9).bind(BYTES)(clean_view(BYTES, x, valid), torch.Generator().manual_seed(0))
    assert (noisy.x[:, 20] == 256).all()
    assert (noisy.x[:, :20] != 65).float().mean() > 0.8
