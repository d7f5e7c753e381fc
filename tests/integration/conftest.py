"""Its tests train runs, load scripts and forge what a run has saved."""

from __future__ import annotations

import json
import shutil
import sys

import pytest
import yaml
from helpers.fixtures import no_caches, no_pages, script  # noqa: F401
from helpers.runs import configured

from ssl_pipeline.training import run


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    run(configured("trainer.max_steps=2", "hardware=cpu", "report.page=false"), str(folder))
    return folder


@pytest.fixture
def forged(finished, tmp_path, monkeypatch):
    """A stranger's folder: the run's, with some keys of its configuration replaced; and a module that must not run."""
    (tmp_path / "evil_module.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w')\nclass Evil: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "evil_module", raising=False)
    monkeypatch.chdir(tmp_path)
    folder = shutil.copytree(finished, tmp_path / "run")

    def forge(**groups):
        groups = json.loads(json.dumps(groups).replace("HERE", str(tmp_path / "written")))
        file = folder / "config.yaml"
        file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | groups))
        return folder

    return forge


@pytest.fixture
def untouched(tmp_path):
    """Nothing was written and nothing was imported when the test is over."""
    yield
    assert not (tmp_path / "written").exists() and not (tmp_path / "imported").exists()
