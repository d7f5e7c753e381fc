"""The time that probes may take, what is said of it, and baselines that are computed once."""

from __future__ import annotations

import re
import time
from collections import Counter

import pytest
from helpers.runs import configured

from ssl_pipeline.evaluation import P1, baselines
from ssl_pipeline.report.probe_table import left_out
from ssl_pipeline.training import run
from ssl_pipeline.training.probe_time import ProbeTime

WORDS = ["trainer.max_steps=2", "probe.protocol.train_limit=200", "probe.protocol.few_shot=2", "probe.protocol.draws=2"]
WORDS += ["probe.protocol.corrupted={type: p2, samples: 50, severities: [3], families: [noise]}"]


def work(seconds):
    """Computes, as a fit does, in steps of Python."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(1000))
    return seconds


def test_what_the_time_does_not_suffice_for_is_left_out_and_named(capsys):
    probes = ProbeTime(1.5)
    assert probes("one", lambda: work(0.01)) == 0.01
    began = time.monotonic()
    assert probes("two", lambda: work(30)) is None and time.monotonic() - began < 10
    assert probes("three", lambda: 3) is None and probes.left_out == ["two", "three"]
    said = capsys.readouterr().out
    assert re.search(r"one \.\.\. [\d.]+ s, at most \d s to go", said)
    assert "two ... stopped: the time for probes (2 s) is up" in said and "three" not in said
    work(1.6)  # the alarm is off


def test_probes_together_share_a_line(capsys):
    probes = ProbeTime(1.5)
    with probes.together("kNN"):
        assert [probes(name, lambda: work(0.01)) for name in ("encoder", "raw")] == [0.01, 0.01]
    assert re.fullmatch(r"probes     kNN \.\.\. [\d.]+ s, at most \d s to go\n", capsys.readouterr().out)
    with probes.together("linear"):
        assert probes("encoder", lambda: 1) == 1 and probes("raw", lambda: work(30)) is None
    assert capsys.readouterr().out == "probes     linear ... stopped: the time for probes (2 s) is up\n"
    with probes.together("few labels"):
        assert probes("encoder", lambda: 1) is None
    assert probes.left_out == ["linear, raw", "few labels, encoder"] and not capsys.readouterr().out


def test_a_run_without_the_time_names_what_it_left_out(tmp_path, capsys):
    summary = run(configured(*WORDS, "probe.budget=1e-6"), str(tmp_path / "run"))
    assert summary["probes_left_out"] == ["embeddings"] and "knn" not in summary and "evaluated" not in summary
    said = capsys.readouterr().out
    assert "at most 1e-06 s of probes at the end" in said
    assert "ssl-pipeline evaluate run=" in said and "ssl-pipeline evaluate run=here" in left_out(summary, "here")


def test_baselines_are_computed_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(baselines, "baselines_folder", lambda: tmp_path / "kept")
    asked, measure = Counter(), P1.measure
    monkeypatch.setattr(P1, "measure", lambda self, name, f: asked.update([name]) or measure(self, name, f))

    def scores(name, *words):
        asked.clear()
        found = run(configured(*WORDS, *words), str(tmp_path / name))
        return {key: value for key, value in found.items() if key.endswith(("_raw", "_untrained"))}, dict(asked)

    first, fits = scores("first")
    assert {"knn_raw", "linear_untrained", "few_shot_raw"} <= first.keys() and set(fits.values()) == {3}
    said = capsys.readouterr().out
    assert "probes     kNN-20 ..." in said and said.count("probes     ") <= 6
    assert re.search(r"On corrupted samples this encoder (beats|does not beat) raw input in ", said)
    assert {"corrupted/knn_raw", "corrupted_forms_raw", "corrupted_forms_untrained"} <= first.keys()
    assert first["corrupted_forms_raw"]["knn"].keys() == {"noise/3"}
    again, fits = scores("again", "trainer.max_steps=3")
    assert again == first and set(fits.values()) == {1}  # of the trained encoder
    other, fits = scores("other", "seed=1")  # another twin, the same raw input
    assert set(fits.values()) == {2} and other["knn_raw"] == first["knn_raw"]
    for file in (tmp_path / "kept").iterdir():
        file.write_text('{"knn": NaN}')
    assert scores("mended") == (first, dict.fromkeys(("knn", "linear", "corrupted", "few_shot"), 3))


@pytest.mark.parametrize("budget", ["soon", -1, "true"])
def test_a_wrong_budget_is_refused(budget, tmp_path):
    with pytest.raises(ValueError, match=r"probe\.budget=.*expected seconds"):
        run(configured(f"probe.budget={budget}"), str(tmp_path / "run"))
