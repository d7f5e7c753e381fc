"""Protocol P2: probes of clean samples, asked about corrupted ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ssl_pipeline.api import Run
from ssl_pipeline.config.build import build_part
from ssl_pipeline.config.compose import compose
from ssl_pipeline.corruptions import AnyOf, Chain, Crop, Noise, Reversal, SaltPepper
from ssl_pipeline.data import MemoryDataset
from ssl_pipeline.evaluation import P1
from ssl_pipeline.evaluation.corrupted import P2, found_again, seen_families
from ssl_pipeline.evaluation.families import by_form
from ssl_pipeline.report.corrupted_table import corrupted_table, corrupted_verdict, family_curves, family_table
from ssl_pipeline.structures.batch import as_float

QUICK = P1(train_limit=300, few_shot=0, corrupted=P2(samples=100, severities=(1, 5), families=("noise", "reversal")))


@pytest.fixture(scope="module")
def data():
    return build_part("data", compose([], notes=False)["data"])


@pytest.fixture(scope="module")
def raw(data):
    return QUICK.raw(data)


def test_scores_fall_with_severity_and_means_are_over_families(raw):
    for probe in ("knn", "linear", "found"):
        one, five, turned = (raw[f"corrupted/{probe}/{form}"] for form in ("noise/1", "noise/5", "reversal"))
        assert one > five + 10
        assert raw[f"corrupted/{probe}"] == pytest.approx(((one + five) / 2 + turned) / 2)
    assert raw["corrupted/knn/clean"] == pytest.approx(100 * 0.9, abs=8)


def test_views_are_those_of_files_and_the_same_for_all(data):
    seen = []

    def embed(batch):
        seen.append(batch.x)
        return as_float(batch.x, data.grid).flatten(1)

    protocol = P2(samples=40, severities=(5,), families=("noise",))
    first = protocol.forms(embed, data)
    steps = seen[1] * 255
    assert seen[1].min() == 0 and seen[1].max() == 1 and (steps - steps.round()).abs().max() < 1e-4
    again = protocol.forms(embed, data)
    assert all(np.array_equal(first.z[form], again.z[form]) for form in ("clean", "noise/5"))


def test_a_form_is_found_where_it_is_nearest_and_equal_samples_count():
    clean = np.eye(4)
    assert found_again(clean, clean, np.arange(4)) == 100
    assert found_again(clean[::-1], clean, np.arange(4)) == 0
    assert found_again(clean[[1, 0, 2, 3]], clean, np.array([7, 7, 8, 9])) == 100


def test_without_labels_forms_are_found_all_the_same(data):
    plain = replace(data, test=MemoryDataset(data.test[range(60)].x), classes=None)
    scores = QUICK.score(QUICK.features(lambda batch: as_float(batch.x, plain.grid).flatten(1), plain))
    assert scores["corrupted/found/noise/1"] > 90 and "corrupted/knn" not in scores


def test_what_a_graph_was_trained_with_is_known():
    some = AnyOf(noise=Noise(), both=Chain(salt=SaltPepper()))
    known = ["noise", "salt_pepper", "reversal"]
    assert seen_families({"crop": Crop(), "mixed": Chain(crop=Crop(), any=some)}, known) == ["noise", "salt_pepper"]
    assert seen_families({"back": Reversal()}, known) == ["reversal"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"samples": 0}, "samples=0: expected at least 1"),
        ({"severities": ()}, "expected numbers from 1 to 5"),
        ({"severities": (0, 3)}, "expected numbers from 1 to 5"),
    ],
)
def test_what_cannot_be_asked_is_refused(options, text):
    with pytest.raises(ValueError, match=text):
        P2(**options)


def test_misspelt_families_are_named(data):
    with pytest.raises(ValueError, match="there is no 'nois'; nearest: noise"):
        P2(families=("nois",)).corruptions(data.grid)


def test_tables_and_curves_show_them(raw):
    own = by_form(raw, "corrupted")
    summary = {**own, **{f"{key}_raw": value for key, value in own.items()}, "corrupted_seen": ["noise"]}
    table = corrupted_table(summary)
    assert [row[0] for row in table.rows] == ["this encoder", "raw input"]
    assert table.head[1:] == ["kNN clean", "kNN corrupted", "linear clean", "linear corrupted", "form found"]
    assert not any(key.startswith("corrupted/knn/noise") for key in summary)
    families = family_table(summary)
    assert families.rows[0][2:] == [f"{raw[f'corrupted/{key}/noise/1']:.1f}" for key in ("knn", "linear", "found")]
    assert [row[:2] for row in families.rows] == [["noise +", "1"], ["noise +", "5"], ["reversal", ""]]
    assert family_curves(summary).startswith("data:image/svg+xml")
    assert corrupted_verdict(summary).startswith("On corrupted samples this encoder does not beat raw input in kNN-20,")
    assert "Within chance on 100 test samples: kNN-20, linear and finding" in corrupted_verdict(summary)
    assert corrupted_table({}).rows == family_table({}).rows == [] and family_curves({}) is None
    assert corrupted_verdict({}) == ""


def test_the_lowest_curves_name_their_axis(raw, monkeypatch):
    drawn = []
    monkeypatch.setattr("ssl_pipeline.report.corrupted_table.drawn", drawn.append)
    one = by_form(raw, "corrupted")["corrupted_forms"]
    six = {key: {f"{name}/{at}": 1.0 for name in "abcdef" for at in (1, 5)} for key in one}
    family_curves({"corrupted_forms": six})
    labels = {axis.get_title(): axis.get_xlabel() for axis in drawn[0].axes}
    assert [name for name in "abcdef" if labels[name] == "severity"] == [*"bcdef"] and labels["a"] == ""


def test_a_run_prints_them(raw, tmp_path):
    line = f"corrupted samples: kNN {raw['corrupted/knn']:.1f}, linear {raw['corrupted/linear']:.1f}, form found"
    assert line in repr(Run(tmp_path, raw)) and line in Run(tmp_path, raw)._repr_html_()
    assert "corrupted" not in repr(Run(tmp_path, {}))


def test_it_can_be_left_out(data):
    assert QUICK.features(lambda batch: torch.rand(len(batch.x), 2), data).forms is not None
    left = replace(QUICK, corrupted=None)
    assert "corrupted" not in left.measures(left.features(lambda batch: torch.rand(len(batch.x), 2), data))
    assert build_part("protocol", {"type": "p1", "corrupted": None}).corrupted is None
