"""Runs on images on other backgrounds: where the gap is shown."""

from __future__ import annotations

import json

import pytest

from ssl_pipeline.cli import main as cli
from ssl_pipeline.config.build import build_part
from ssl_pipeline.config.compose import compose
from ssl_pipeline.report.headline import background_table
from ssl_pipeline.training import run

SMALL = [
    "encoder.widths=[8]",
    "data.samples=200",
    "batch_size=20",
    "trainer.max_steps=2",
    "probe.protocol.few_shot=0",
    "probe=clean",
]


def test_a_run_measures_and_says_it(tmp_path, capsys):
    summary = run(compose(["experiment=shortcuts", *SMALL, "probe.online=1"]), str(tmp_path))
    assert summary["swapped"] == 50 and "swapped_raw" not in summary
    assert {"knn/mixed_rand", "linear/swap_gap", "knn/background_gap_raw", "linear/mixed_same_untrained"} < set(summary)
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    said = capsys.readouterr().out
    assert "50 held-out images on other backgrounds, in %" in said and "raw input, linear" in said
    assert "mixed_rand" not in (tmp_path / "metrics.csv").read_text()  # at the end only
    table = background_table(summary)
    assert table.head[-2:] == ["swap gap", "BG-gap"] and len(table.rows) == 6
    assert table.rows[0][4] == f"{summary['knn/mixed_rand']:.1f}"


@pytest.mark.slow
@pytest.mark.page
def test_a_page_and_evaluate_show_it(tmp_path, capsys):
    summary = run(compose(["experiment=shortcuts", *SMALL, "probe.online=0"]), str(tmp_path))
    page = (tmp_path / "report.html").read_text()
    assert "asked about 50 held-out ones" in page and "images on other backgrounds" in page
    assert f"<td>{summary['knn/mixed_rand']:.1f}</td>" in page
    capsys.readouterr()
    assert cli.main(["evaluate", f"run={tmp_path}", "few_shot="]) == 0
    said = capsys.readouterr().out
    assert "50 held-out images on other backgrounds:" in said and "| swap gap | BG-gap |" in said
    rows = json.loads(next(tmp_path.glob("evaluation_*.json")).read_text())["rows"]
    assert rows["this encoder"]["knn/mixed_rand"]["mean"] == pytest.approx(summary["knn/mixed_rand"])


@pytest.mark.slow
def test_contrast_that_keeps_colours_learns_the_background(tmp_path):
    """The same graph and steps: where backgrounds tell, it reads the class off them; where they do not, it cannot."""
    gaps = {}
    for agreement in (0.95, 0.1):
        words = ["experiment=shortcuts", f"data.agreement={agreement}", "trainer.max_steps=100", "probe.online=0"]
        summary = run(
            compose([*words, "probe.baselines=false", "probe.protocol.few_shot=0", "probe=clean"]),
            str(tmp_path / str(agreement)),
        )
        gaps[agreement] = summary["knn/swap_gap"]
    assert gaps[0.95] > gaps[0.1] + 30


def test_other_shapes_are_chosen_on_the_command_line(tmp_path):
    config = compose(
        ["data=backgrounds", "data@data.of=fashion_mnist", f"data.of.root={tmp_path}", "data.of.download=false"]
    )
    with pytest.raises(FileNotFoundError, match="Fashion-MNIST"):
        build_part("data", config["data"])
