"""A run chooses its data: what it says of them, that it goes on exactly, and what it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.curation import JUNK, SMALL, STILL

from ssl_pipeline.config.compose import compose
from ssl_pipeline.inference.weights import read_weights
from ssl_pipeline.training import run


def rated(file: Path) -> list[tuple[int, str, float]]:
    return [(int(r["step"]), r["name"], float(r["value"])) for r in csv.DictReader(file.open())]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    run(compose([*SMALL, *JUNK, *STILL, "trainer.max_epochs=5"]), str(folder))
    return folder


def test_a_run_says_what_it_chose(uninterrupted):
    rows = rated(uninterrupted / "curation.csv")
    steps = sorted({step for step, *_ in rows})
    assert steps == [0, 4, 8, 12, 16, 20]
    at = {(step, name): value for step, name, value in rows}
    assert at[0, "junk_share"] == pytest.approx(0.3, abs=0.03) and at[0, "effective"] > 0.85
    for step in steps:
        classes = sum(value for (s, name), value in at.items() if s == step and name.startswith("share/"))
        assert classes + at[step, "junk_share"] == pytest.approx(1, abs=1e-6)
    found = np.load(uninterrupted / "curation.npz")
    assert found["drawn"].sum() == 20 * 64 and found["weights"].mean() == pytest.approx(1, abs=1e-3)
    summary = json.loads((uninterrupted / "summary.json").read_text())
    assert 0 < summary["curation/junk_share"] < 1 and summary["curation/seconds"] > 0
    with (uninterrupted / "metrics.csv").open() as file:
        assert "curation/junk_share" in {row["name"] for row in csv.DictReader(file)}


@pytest.mark.parametrize(
    ("steps", "workers"),
    [
        pytest.param(14, 0, id="within an epoch"),
        pytest.param(14, 1, marks=pytest.mark.slow, id="within an epoch, a worker"),
        pytest.param(12, 0, marks=pytest.mark.slow, id="between epochs"),
        pytest.param(12, 1, marks=pytest.mark.slow, id="between epochs, a worker"),
    ],
)
def test_a_curated_run_goes_on_exactly(steps, workers, uninterrupted, tmp_path):
    """Also where the loader is asked for its first batches before Lightning says that an epoch begins."""
    options = [*SMALL, *JUNK, *STILL, f"hardware.workers={workers}"]
    run(compose([*options, f"trainer.max_steps={steps}"]), str(tmp_path))
    run(compose([f"resume={tmp_path}", "trainer.max_steps=20"]), "elsewhere")
    expected, got = read_weights(uninterrupted), read_weights(tmp_path)
    assert all(torch.equal(value, got[name]) for name, value in expected.items())
    without = [[row for row in rated(of / "curation.csv") if row[1] != "seconds"] for of in (uninterrupted, tmp_path)]
    assert without[0] == without[1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["members_per_source=2"], "members_per_source=2 keeps some together"),
        (["hardware=fsdp"], "hardware.strategy=fsdp has shards"),
        (
            ["data=mixed", "encoder=vit", "decoder=cross_attention", "objective=reconstruct+cross_entropy"],
            "got a stream or several",
        ),
        (["corruption=crop+crop", "objective=barlow"], "which only know batches"),
    ],
)
def test_what_cannot_be_curated_is_refused(options, words, tmp_path):
    sizes = [] if "data=mixed" in options else SMALL[:2]
    more = ["probe=none", "batch_size=8", "trainer.max_steps=2", "sampler=learnability"]
    with pytest.raises(ValueError, match=words):
        run(compose([*sizes, *options, *more]), str(tmp_path))


def test_options_of_an_experiment_are_not_used_without_curation(capsys):
    assert not compose(["experiment=curated", "sampler=none"])["sampler"]
    with pytest.raises(ValueError, match=r"sampler\.evry"):
        compose(["sampler=learnability", "sampler.evry=2"])


@pytest.mark.slow
@pytest.mark.page
def test_the_page_shows_what_was_chosen(tmp_path):
    run(compose([*SMALL[:-1], *JUNK, "trainer.max_epochs=3"]), str(tmp_path / "curated"))
    page = (tmp_path / "curated/report.html").read_text()
    assert "The data that were chosen" in page and "drawn most and least often" in page
    run(compose([*SMALL[:-1], "trainer.max_steps=3"]), str(tmp_path / "plain"))
    assert "The data that were chosen" not in (tmp_path / "plain/report.html").read_text()
