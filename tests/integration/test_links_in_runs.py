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
    assert cli.main(["evaluate", f"run={folder}", "few_shot=", "baselines=false", "limit=100", "restored=0"]) == 0
    assert victim.read_text() == "mine" and not (folder / "evaluation_digits.json").is_symlink()


@pytest.mark.parametrize("name", ["recognizer.safetensors", "recognizer.safetensors.sha256"])
def test_what_tells_what_happened_is_not_written_through_a_link(name, forged, tmp_path, capsys):
    folder, victim = forge_link(forged(), name, tmp_path / "victim")
    victim.unlink()  # so that the run has no such file
    words = ["few_shot=", "baselines=false", "limit=100", "corrupted=0", "restored=1"]
    assert cli.main(["evaluate", f"run={folder}", *words]) == 1
    assert "is a link, so a run would write elsewhere" in capsys.readouterr().err
    assert not victim.exists()


def forge_link(folder, name, victim):
    victim.write_text("mine")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(victim)
    return folder, victim
