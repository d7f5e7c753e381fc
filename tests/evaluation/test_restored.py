"""Protocol P3: corrupted test samples, restored blindly."""

from __future__ import annotations

import pytest
import torch
from helpers.restorers import blobs, restorer

from ssl_pipeline.data import MemoryDataset
from ssl_pipeline.evaluation.families import by_form
from ssl_pipeline.evaluation.restored import P3
from ssl_pipeline.report.restored_forms import restored_forms, restored_means

FEW = P3(samples=12, severities=(1, 5), families=("noise", "reversal"))


@pytest.fixture(scope="module")
def data():
    return MemoryDataset(blobs(40))


@pytest.fixture(scope="module")
def graph():
    return restorer()


@pytest.fixture(scope="module")
def scores(graph, data):
    return FEW.score(graph, data)


def test_a_graph_that_gives_back_what_it_gets_is_scored_as_its_input(scores):
    for form in ("noise/1", "noise/5", "reversal"):  # a fresh unet passes its input on, all but nearly
        before, after = (scores[f"restored/{key}/{form}"] for key in ("psnr_before", "psnr"))
        assert after == pytest.approx(before, abs=0.1)
    assert scores["restored/psnr/clean"] > 50 and scores["restored/psnr_before/clean"] == pytest.approx(80)
    assert scores["restored/psnr_before/noise/1"] > scores["restored/psnr_before/noise/5"] + 5


def test_means_are_over_severities_then_families(scores):
    noise = [scores[f"restored/psnr/noise/{severity}"] for severity in (1, 5)]
    assert scores["restored/psnr"] == pytest.approx((sum(noise) / 2 + scores["restored/psnr/reversal"]) / 2)


def test_harmless_is_asked_at_the_least_severity(graph, data, monkeypatch):
    known = {key for key in FEW.score(graph, data) if key.startswith("restored/harmless/")}
    assert known == {"restored/harmless/noise/1", "restored/harmless/reversal"}
    spoils = "ssl_pipeline.evaluation.restored.Inference.restore"
    monkeypatch.setattr(spoils, lambda self, name, view: view.x + 0.3)
    assert FEW.score(graph, data)["restored/harmless"] == 0
    monkeypatch.setattr(spoils, lambda self, name, view: view.x)
    assert FEW.score(graph, data)["restored/harmless"] == 100


def test_all_is_blind_and_what_files_hold(graph, data, monkeypatch):
    seen = []

    def restore(self, name, view):
        seen.append((name, view.x))
        return view.x

    monkeypatch.setattr("ssl_pipeline.evaluation.restored.Inference.restore", restore)
    FEW.score(graph, data)
    assert {name for name, _ in seen} == {"unknown"}
    steps = torch.cat([x for _, x in seen]) * 255
    assert (steps - steps.round()).abs().max() < 1e-3 and steps.min() >= 0 and steps.max() <= 255


def test_samples_are_taken_from_the_whole_set(graph, monkeypatch):
    x = torch.arange(100, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 16, 16).contiguous()
    seen = []
    monkeypatch.setattr(
        "ssl_pipeline.evaluation.restored.Inference.restore", lambda self, name, view: seen.append(view.x) or view.x
    )
    P3(samples=5, families=("reversal",)).score(graph, MemoryDataset(x))
    assert (seen[0][:, 0, 0, 0] * 255).round().tolist() == [0, 24, 49, 74, 99]


def test_tables_show_means_and_forms(scores):
    summary = by_form(scores, "restored") | {"corrupted_seen": ["noise"]}
    assert [row[0] for row in restored_means(summary).rows] == ["clean", "corrupted"]
    forms = restored_forms(summary)
    assert [row[:2] for row in forms.rows] == [["noise +", "1"], ["noise +", "5"], ["reversal", ""]]
    assert forms.head[2:] == ["PSNR, dB", "restored", "SSIM, %", "restored", "harmless"]
    assert restored_means({}).rows == [] and restored_forms({}).rows == []


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"samples": 0}, "probe.protocol.restored.samples=0: expected at least 1"),
        ({"severities": (7,)}, r"probe.protocol.restored.severities=\[7\]: expected numbers from 1 to 5"),
    ],
)
def test_other_options_are_refused(options, text):
    with pytest.raises(ValueError, match=text):
        P3(**options)
