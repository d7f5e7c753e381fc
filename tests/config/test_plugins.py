"""Plug-ins: our own, and the stranger's package of examples/plugin."""

from __future__ import annotations

import csv
import os
import tomllib

import pytest
from helpers.paths import LAB_CONF, ROOT
from helpers.runs import SMALL, command

from ssl_pipeline.config import plugins
from ssl_pipeline.config.compose import compose
from ssl_pipeline.diagnostics.registry import _REGISTERED, register_diagnostic

EXAMPLE = ROOT / "examples/plugin"


def announced(pyproject) -> dict[str, str]:
    return tomllib.loads(pyproject.read_text())["project"]["entry-points"]["ssl_pipeline.plugins"]


def test_the_laboratory_is_installed_as_a_plug_in():
    assert announced(ROOT / "pyproject.toml") == {"lab": "ssl_pipeline.lab"}
    assert "ssl_pipeline.lab" in plugins.modules(), "install the package anew: pip install -e ."
    assert plugins.config_folders()["lab"] == LAB_CONF
    plugins.import_plugins()


def test_a_part_that_no_plug_in_has_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="gradient_protection"):
        compose(["callback=gradient_protektion"])


def test_names_of_diagnostics_are_taken_once():
    def one(graph, views):
        return {}

    try:
        assert register_diagnostic("test one")(one) is one and register_diagnostic("test one")(one) is one
        with pytest.raises(ValueError, match=r"'test one'.*take another"):
            register_diagnostic("test one")(lambda graph, views: {})
    finally:
        del _REGISTERED["test one"]


@pytest.mark.slow
def test_a_strangers_package_trains(tmp_path):
    """A corruption, a loss, a callback and a diagnostic, by the names of their YAML files."""
    installed = tmp_path / "site/my_plugin-0.1.0.dist-info"  # as pip leaves it
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: my_plugin\nVersion: 0.1.0\n")
    lines = [f"{name} = {module}" for name, module in announced(EXAMPLE / "pyproject.toml").items()]
    (installed / "entry_points.txt").write_text("\n".join(["[ssl_pipeline.plugins]", *lines, ""]))
    path = os.pathsep.join([str(EXAMPLE), str(installed.parent), os.environ.get("PYTHONPATH", "")])
    words = ["corruption=dim+echo", "objective=log_cosh", "callback=gradient_noise"]
    words += [*SMALL, "diagnostics.every=2", "trainer.max_steps=3", "probe=none", "report.page=false"]
    done = command(*words, f"hydra.run.dir={tmp_path}/run", PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "run/metrics.csv").open() as file:
        found = {row["name"]: float(row["value"]) for row in csv.DictReader(file)}
    assert found["diagnostics/brightness/dim"] < found["diagnostics/brightness/echo"]
    assert found["log_cosh/dim"] > 0 and found["log_cosh/echo"] > 0
