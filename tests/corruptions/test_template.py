"""Texts stand in templates, which files hold in families."""

from __future__ import annotations

from itertools import chain

import pytest
from helpers.short_texts import BYTES, TEXTS, WINDOW, read, texts
from helpers.views import seeded

from ssl_pipeline.config.families import read_families
from ssl_pipeline.corruptions import Template
from ssl_pipeline.corruptions.template import select_templates


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
