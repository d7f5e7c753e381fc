"""Files of a run that are damaged, torn or lack something are named."""

from __future__ import annotations

import pytest
import yaml
from helpers.saved_runs import refused, resumed

import ssl_pipeline
from ssl_pipeline.config.compose import compose
from ssl_pipeline.training.stages import open_run


@pytest.mark.parametrize("text", ["[]", "3", "{", "[" * 20_000])
def test_a_file_that_holds_no_codecs_is_damaged(text, forged):
    folder = forged()
    (folder / "codecs.json").write_text(text)
    with pytest.raises(ValueError, match=r"codecs.json is damaged"):
        ssl_pipeline.load(folder)


@pytest.mark.parametrize("text", ["- a list", "text", "3", "", "a: [1, 2", "!!python/object/apply:os.system [touch x]"])
def test_a_file_that_is_no_configuration(text, forged, tmp_path):
    folder = forged()
    (folder / "config.yaml").write_text(text)
    for call in (lambda: ssl_pipeline.load(folder), lambda: compose([f"resume={folder}"]), lambda: open_run(folder)):
        assert "config.yaml is damaged" in refused(call)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [("data", None), ("data", "digits"), ("optimizer", None), ("probe", None), ("spec", None), ("encoder", "conv")]
    + [(key, "lost") for key in ("data", "encoder", "trainer", "views_per_step", "optimizer")],
)
def test_a_configuration_with_a_hole_is_damaged(key, value, forged):
    folder = forged()
    config = yaml.safe_load((folder / "config.yaml").read_text())
    if value == "lost":
        del config[key]
    else:
        config[key] = value
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(ValueError, match=r"config.yaml is damaged"):
        compose([f"resume={folder}"])
    if key in ("data", "spec"):
        with pytest.raises(ValueError, match=r"config.yaml is damaged"):
            ssl_pipeline.load(folder)


def test_a_torn_summary_is_named(forged):
    folder = forged()
    (folder / "summary.json").write_text("")
    assert "summary.json is damaged" in resumed(folder)
