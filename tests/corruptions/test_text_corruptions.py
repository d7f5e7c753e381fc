"""What corruptions do to texts: bytes, closed by an end symbol or cut out of a longer text, and padded."""

from __future__ import annotations

import math
from itertools import chain

import pytest
import torch
from helpers.cases import CORRUPTIONS, GRIDS, sample
from helpers.views import seeded

from ssl_pipeline.config.families import read_families
from ssl_pipeline.corruptions import Chain, Drop, Infill, Mask, Noise, Reversal, Shuffle, Template
from ssl_pipeline.corruptions.template import select_templates
from ssl_pipeline.structures.batch import View, clean_view
from ssl_pipeline.structures.grid import GridSpec

END, MASK = 256, 257
BYTES = GridSpec.of(("position", 32), vocab=258, mask_token=MASK, end_token=256)
TEXTS = ("the cat sat on the mat", "Hi", "", "to be, or not to be", " a  b\tc\n", "no")
WINDOW = "an endless text that is cut here"
EVERY = [
    pytest.param(case, GRIDS[name], id=f"{case.name}{i}-{name}")
    for i, case in enumerate(CORRUPTIONS)
    for name in ("text", "bytes", "codes")
    if name in case.grids
]


def poisson(mean: float) -> list[float]:
    """Shares of 0 to 7."""
    return [math.exp(-mean) * mean**k / math.factorial(k) for k in range(8)]


def texts(*strings: str) -> View:
    """Each string closed by the end symbol and padded with it; one that fills the grid is a window without an end."""
    x = torch.full((len(strings), 32), END)
    valid = torch.zeros(x.shape, dtype=torch.bool)
    for i, string in enumerate(strings):
        x[i, : len(string)] = torch.tensor(list(string.encode()))
        valid[i, : len(string) + 1] = True
    return clean_view(BYTES, x, valid)


def read(view: View) -> list[str]:
    """What is valid, as text: ``$`` is the end symbol, ``_`` the mask token."""
    rows = zip(view.x, view.valid, strict=True)
    return ["".join({END: "$", MASK: "_"}.get(s, chr(s % 256)) for s in x[valid].tolist()) for x, valid in rows]


def assert_cells_come_from_their_origin(view: View, clean: View, moved: torch.Tensor) -> None:
    place = (view.source_coords[..., 0] - 0.5).expand(view.x.shape)
    torch.testing.assert_close(place[moved], place[moved].round())
    assert torch.equal(view.x[moved], clean.x.gather(1, place.round().long().clamp(0, 31))[moved])


@pytest.mark.parametrize(("case", "grid"), EVERY)
def test_padding_stays_out_of_every_corruption(case, grid):
    clean = sample(grid, 8)
    count = torch.tensor([0, 1, 2, 3, 5, 8, 12, grid.shape[-1]]).clamp(max=grid.shape[-1])
    valid = (torch.arange(grid.shape[-1]) < count.view(-1, *[1] * grid.ndim)).expand(clean.x.shape)
    clean = clean._replace(valid=valid.contiguous())
    other = clean._replace(x=torch.where(valid, clean.x, 7))
    corruption = case.build(**case.options).bind(grid)
    one, two = corruption(clean, seeded()), corruption(other, seeded())
    assert one.valid.shape == one.x.shape and torch.equal(one.valid, two.valid)
    assert torch.equal(one.x[one.valid], two.x[two.valid])
    assert one.x.min() >= 0 and one.x.max() < grid.vocab
    assert not (one.source_coords - two.source_coords).expand(8, *one.x.shape[1:], grid.ndim)[one.valid].any()


@pytest.mark.parametrize(("case", "grid"), [row for row in EVERY if row.values[1].ndim == 1])
def test_padding_stays_behind(case, grid):
    clean = sample(grid, 8)
    valid = torch.arange(grid.shape[0]) < torch.tensor([0, 1, 2, 3, 5, 8, 12, 16]).unsqueeze(1)
    view = case.build(**case.options).bind(grid)(clean._replace(valid=valid), seeded())
    assert not (view.valid[:, 1:] & ~view.valid[:, :-1]).any()
    assert view.valid[1:].any(1).all()


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


# ---- infill


@pytest.mark.parametrize("empty", [True, False])
def test_spans_shrink_to_one_mask_token_each(empty):
    grid = GridSpec.of(("position", 3000), vocab=258, mask_token=MASK, end_token=256)
    length = torch.tensor([3000, 2000, 1000, 300])
    x = torch.randint(0, 256, (4, 3000), generator=seeded())
    clean = clean_view(grid, x, torch.arange(3000) < length[:, None])
    view = Infill(ratio=0.3, span=3.0, empty=empty).bind(grid)(clean, seeded(1))
    masks = ((view.x == MASK) & view.valid).sum(1)
    assert (view.valid.sum(1) - masks).tolist() == [round(0.7 * n) for n in length.tolist()]
    torch.testing.assert_close(masks / length, torch.full((4,), 0.1), atol=0.025, rtol=0)
    assert view.mask is None and view.visible is None
    for i in range(4):
        row = view.x[i][view.valid[i]]
        place = view.source_coords[i, : len(row), 0] - 0.5
        left = row != MASK
        assert torch.equal(row[left], x[i][place[left].long()])
        assert (_span_lengths(row, place) >= (0 if empty else 1)).all()


@pytest.mark.parametrize(("empty", "shares"), [(True, poisson(3.0)), (False, [0.0, *poisson(2.0)])])
def test_spans_are_as_long_as_bart_and_t5_draw_them(empty, shares):
    grid = GridSpec.of(("position", 2000), vocab=258, mask_token=MASK)
    view = Infill(ratio=0.3, span=3.0, empty=empty).bind(grid)(clean_view(grid, torch.ones(64, 2000).long()), seeded(2))
    rows = zip(view.x, view.valid, view.source_coords[..., 0] - 0.5, strict=True)
    lengths = torch.cat([_span_lengths(row[valid], place[valid]) for row, valid, place in rows])
    assert len(lengths) > 10_000
    for size, share in enumerate(shares[:8]):
        assert (lengths == size).float().mean().item() == pytest.approx(share, abs=0.01), size


def test_no_empty_span_where_the_text_has_no_room():
    grid = GridSpec.of(("position", 8), vocab=258, mask_token=MASK)
    view = Infill(ratio=0.2, span=1.0).bind(grid)(clean_view(grid, torch.ones(500, 8).long()), seeded())
    assert (view.x.eq(1).logical_and(view.valid).sum(1) == 6).all()
    assert view.valid.sum(1).max() == 8


def _span_lengths(row: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """Walks along the text: a mask token's place is the middle of its span, that of an empty one before its place."""
    at, lengths = 0.0, []
    for symbol, middle in zip(row.tolist(), place.tolist(), strict=False):
        size = 1 if symbol != MASK else round(2 * (middle - at) + 1)
        if symbol == MASK:
            lengths.append(size)
        at += size
    return torch.tensor(lengths).float()


def test_infill_keeps_the_end_and_empty_texts():
    view = Infill(ratio=0.9).bind(BYTES)(texts(*TEXTS, WINDOW), seeded())
    found = read(view)
    assert [text[-1] for text in found[:6]] == ["$"] * 6 and found[2] == "$" and "$" not in found[6]
    assert all("_" in text for i, text in enumerate(found) if i != 2)
    assert (view.x[~view.valid] == END).all()
    ends = (view.x == END) & view.valid
    torch.testing.assert_close(view.source_coords[..., 0][ends] - 0.5, torch.tensor([float(len(t)) for t in TEXTS]))


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


# ---- template


def test_text_stands_in_a_template_and_loses_its_end_where_it_must():
    clean = texts(*TEXTS, WINDOW)
    view = Template(families={"say": ["Say '{}' again"]}).bind(BYTES)(clean, seeded())
    room = 32 - len("Say '' again")
    expected = [f"Say '{text[: room - 1]}' again$" for text in TEXTS] + [f"Say '{WINDOW[:room]}' again"]
    assert read(view) == expected
    place = view.source_coords[..., 0] - 0.5
    for i, text in enumerate([*TEXTS, WINDOW]):
        kept = min(len(text), room - (i < 6))
        if kept:
            assert place[i, 5 : 5 + kept].tolist() == list(range(kept))
            assert (place[i, :5] == 0).all() and (place[i, 5 + kept : 12 + kept] == kept - 1).all()
        if i < 6:
            assert place[i, 12 + kept] == len(text)


def test_each_sample_draws_a_template_and_holes_stay_with_the_text():
    clean = texts(*["cat"] * 64)
    hole = clean._replace(mask=clean.x == ord("a"))
    families = {"ask": ["Repeat this: {}", "Write {} once more"], "sag": ["Gib {} zurück"]}
    view = Template(families=families).bind(BYTES)(hole, seeded())
    expected = ("Repeat this: cat$", "Write cat once more$", "Gib cat zurück$")
    assert set(read(view)) == {text.encode().decode("latin-1") for text in expected}
    assert (view.mask.sum(1) == 1).all() and (view.x[view.mask] == ord("a")).all()


def test_room_keeps_the_whole_text_and_counts_the_places_on():
    clean = texts(*TEXTS, WINDOW)
    template = Template(families={"say": ["Say '{}' again"]}, room=16).bind(BYTES)
    view = template(clean, seeded())
    assert read(view) == [f"Say '{text}' again$" for text in TEXTS] + [f"Say '{WINDOW}' again"]
    assert template.output_grid.shape == view.x.shape[1:] == (48,)
    assert view.coords.flatten().tolist() == [i + 0.5 for i in range(48)]


def test_folds_part_each_family_and_views_of_one_sample_differ():
    families = read_families("paraphrases")
    folds = [select_templates(families, ["ask", "french"], (i, 3)) for i in (1, 2, 3)]
    assert sorted(chain.from_iterable(folds)) == sorted(select_templates(families, ["ask", "french"]))
    assert len(folds[0]) == len(set(folds[0])) == 8
    clean = texts(*["cat"] * 64)
    views = [Template(families=families, fold=(i, 3), room=16).bind(BYTES)(clean, seeded()) for i in (1, 2, 3)]
    assert not any(len({*row}) < 3 for row in zip(*map(read, views), strict=True))
    assert all(len({*read(view)}) > 8 for view in views)


def test_every_shipped_template_says_where_the_text_goes():
    families = read_families("paraphrases")
    assert len(families) >= 5 and len(select_templates(families)) == sum(map(len, families.values()))
    Template(families=families, room=1).bind(BYTES)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("- a {}", "expected families"),
        ("say: again {}", "with a list of strings"),
        ("say: [1]", "with a list of strings"),
    ],
)
def test_a_file_of_another_form_is_no_file_of_templates(text, sentence, tmp_path):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ValueError, match=sentence):
        read_families(str(tmp_path / "mine.yaml"))


def test_a_file_of_ones_own_and_names_that_do_not_exist(tmp_path):
    (tmp_path / "mine.yaml").write_text("say: ['Nochmal: {}']", encoding="utf-8")
    assert read_families(str(tmp_path / "mine.yaml")) == {"say": ["Nochmal: {}"]}
    with pytest.raises(FileNotFoundError, match="no file of templates"):
        read_families(str(tmp_path / "yours.yaml"))
    with pytest.raises(ValueError, match="nearest: paraphrases"):
        read_families("paraphrase")


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
