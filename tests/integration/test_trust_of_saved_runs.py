"""A saved run decides neither whom to trust nor what is imported, fetched or written elsewhere."""

from __future__ import annotations

import os
from functools import partial

import pytest
import yaml
from helpers.saved_runs import refused, resumed

import ssl_pipeline
from ssl_pipeline.cli import main as cli
from ssl_pipeline.config.compose import compose
from ssl_pipeline.config.saved import read_saved
from ssl_pipeline.training import run
from ssl_pipeline.training.stages import open_run


def test_a_saved_run_does_not_import_the_module_of_an_environment(forged, untouched, capsys):
    data = {"type": "gym", "env": "evil_module:Evil-v0", "episodes": 4, "length": 5}
    for options in (data, data | {"env": "CartPole-v1", "options": {"env_id": "evil_module:Evil-v0"}}):
        folder = forged(data=options, trust=["evil_module"])
        assert "names a module that would be imported" in resumed(folder)
        assert "names a module that would be imported" in refused(lambda folder=folder: open_run(folder))
        ssl_pipeline.load(folder)  # the model needs no environment
        assert cli.main(["evaluate", f"run={folder}", "seeds=1", "few_shot="]) == 1
        said = capsys.readouterr().err
        assert "names a module that would be imported" in said and "trust=" not in said


def test_the_module_of_an_environment_is_imported_for_who_trusts_it(forged, tmp_path):
    pytest.importorskip("gymnasium")
    folder = forged(data={"type": "gym", "env": "evil_module:Evil-v0"})
    with pytest.raises(ValueError, match=r"data\.env='evil_module:Evil-v0' cannot be made"):
        run(compose([f"resume={folder}", "trainer.max_steps=3", "trust=[evil_module]"]), str(folder))
    assert (tmp_path / "imported").exists()
    live = compose(["data=gym", "data.env=evil_module:Evil-v0", "encoder=vit", "decoder=cross_attention"])
    assert "names a module that would be imported" in refused(partial(run, live, str(tmp_path / "live")))


def test_trust_is_not_taken_from_a_file(forged, tmp_path):
    folder = forged(encoder={"_target_": "evil_module.Evil"}, trust=["evil_module"])
    for call in (lambda: ssl_pipeline.load(folder), lambda: open_run(folder), lambda: resumed(folder) and 1 / 0):
        with pytest.raises((ValueError, ZeroDivisionError)):
            call()
    assert not (tmp_path / "imported").exists()
    assert read_saved(folder).config["trust"] == [] and read_saved(folder, ("a",)).config["trust"] == ["a"]
    with pytest.raises(Exception, match="Evil"):  # it is no encoder, but now it is made
        ssl_pipeline.load(folder, trust=("evil_module",))
    assert (tmp_path / "imported").exists()


def test_a_run_does_not_write_whom_it_trusts(finished):
    assert "trust" not in yaml.safe_load((finished / "config.yaml").read_text())


def test_a_file_does_not_decide_what_is_fetched_and_where_things_go(forged, tmp_path, capsys):
    """Caches, downloads and addresses come from who runs it."""
    cache = {"folder": "HERE", "in_memory": False}
    inner = {"type": "speech_commands", "root": "HERE", "download": True, "cache": cache}
    folder = forged(
        data={"type": "mixed", "sets": {"a": inner, "b": {"type": "captioned", "of": "cifar10"}}},
        logger={"type": "mlflow", "uri": "http://HERE"},
    )
    config, ignored = read_saved(folder)
    a, b = config["data"]["sets"].values()
    assert a["cache"] == {"folder": None, "in_memory": False} and a["download"] is False
    assert b["of"] == {"type": "cifar10", "download": False}
    assert config["logger"] == {"type": "mlflow", "uri": None}
    assert ignored == ["data.sets.a.cache.folder", "logger.uri"]

    whole = compose(["data=folder", "data.root=old", "data.cache.folder=old"])["data"]
    folder = forged(data=whole, logger={})
    assert compose([f"resume={folder}"])["data"]["cache"]["folder"] is None
    assert "note: data.cache.folder is not taken from the saved run" in capsys.readouterr().err
    found = compose([f"resume={folder}", "data=folder", "data.root=new", "data.cache.folder=new"])["data"]
    assert found == whole | {"root": os.path.abspath("new"), "cache": whole["cache"] | {"folder": "new"}}
    assert "cache.folder" not in capsys.readouterr().err
    with pytest.raises(ValueError, match="data=folder differs from the run that is resumed"):
        compose([f"resume={folder}", "data=folder", "data.root=new", "data.size=32"])
