"""Links in a run's folder lead no file elsewhere."""

from __future__ import annotations

import pytest
from helpers.saved_runs import resumed

from ssl_pipeline.cli import main as cli


@pytest.mark.parametrize("name", ["checkpoints/more", ".config.yaml.tmp", "summary.json"])
def test_a_link_in_a_run_that_is_resumed_is_refused(name, forged, tmp_path):
    folder, victim = forge_link(forged(), name, tmp_path / "victim")
    assert "is a link, so a run would write elsewhere" in resumed(folder)
    assert victim.read_text() == "mine"


def test_a_report_and_a_table_take_the_place_of_a_link(forged, tmp_path):
    folder, victim = forge_link(forged(), "evaluation_digits.json", tmp_path / "victim")
    assert cli.main(["evaluate", f"run={folder}", "few_shot=", "baselines=false", "limit=100"]) == 0
    assert victim.read_text() == "mine" and not (folder / "evaluation_digits.json").is_symlink()


def forge_link(folder, name, victim):
    victim.write_text("mine")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(victim)
    return folder, victim
