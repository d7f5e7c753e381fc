"""A run's folder may be a stranger's: its files name registered parts and plain values, and nothing else happens."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from functools import partial

import pytest
import torch
import yaml
from helpers.paths import ROOT
from helpers.runs import configured

import ssl_pipeline
from ssl_pipeline.cli import main as cli
from ssl_pipeline.config import registry
from ssl_pipeline.config.compose import compose
from ssl_pipeline.config.registry import register
from ssl_pipeline.config.resume import again
from ssl_pipeline.config.saved import read_saved
from ssl_pipeline.training import run
from ssl_pipeline.training.stages import open_run

WRITERS = {
    "weights": {"_target_": "ssl_pipeline.inference.weights.write_safetensors", "weights": {}, "path": "HERE"},
    "picture": {"_target_": "ssl_pipeline.data.Pixels.write", "self": None, "path": "HERE", "x": None},
    "cache": {"_target_": "ssl_pipeline.data.cache.folder.cache_folder", "cache": "HERE"},
    "shell": {"_target_": "os.system", "command": "touch HERE"},
    "save": {"_target_": "torch.save", "obj": 1, "f": "HERE"},
    "own module": {"_target_": "evil_module.Evil"},
    "name of a function": {"type": "write_safetensors", "path": "HERE"},
    "dotted name": {"type": "torch.save", "obj": 1, "f": "HERE"},
    "another kind": {"type": "fashion_mnist", "root": "HERE"},
}


@pytest.fixture(scope="module")
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


def refused(call, capsys=None) -> str:
    """What is said, in which there is no word of how to let it through."""
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    said = str(caught.value)
    assert "trust=" not in said and "trust:" not in said
    return said


def resumed(folder) -> str:
    return refused(lambda: run(compose([f"resume={folder}", "trainer.max_steps=3"]), str(folder)))


PLACES = {
    "logger": lambda node: {"logger": node},
    "sampler": lambda node: {"sampler": node},
    "callback": lambda node: {"callback": {"one": node}},
    "protocol": lambda node: {"probe": {"online": 0, "baselines": False, "protocol": node}},
    "optimizer": lambda node: {"optimizer": {"make": node}},
    "whole optimizer": lambda node: {"optimizer": node},
    "hardware": lambda node: {"hardware": node},
    "data": lambda node: {"data": node},
    "data of data": lambda node: {"data": {"type": "captioned", "of": node}},
    "sets": lambda node: {"data": {"type": "mixed", "sets": {"a": node, "b": node}}},
}
IN_GRAPHS = {
    "encoder": lambda node: {"encoder": node},
    "mlp": lambda node: {"encoder": {"type": "vit", "mlp": node}},
    "decoder": lambda node: {"decoder": node},
    "teacher": lambda node: {"teacher": node},
    "fuse": lambda node: {"latent": {"type": "slots", "fuse": node}},
    "view": lambda node: {"corruption": {"mask": node}},
    "chain": lambda node: {"corruption": {"mask": {"type": "chain", "noise": node}}},
    "loss": lambda node: {"objective": {"reconstruct": {"type": "reconstruction", "loss": node}}},
    "projector": lambda node: {"objective": {"a": {"type": "joint_embedding", "loss": "mse", "projector": node}}},
    "edge": lambda node: {"edge": {"from": "mask", "to": "noise", "loss": node}},
    "column": lambda node: {"columns": {"text": {"encoder": node}}},
}


OF_A_KIND = {"picture", "cache", "save"}  # dotted names of the package and of others, as "weights" and "shell" are
NODES = [pytest.param(node, id=name, marks=[pytest.mark.slow] * (name in OF_A_KIND)) for name, node in WRITERS.items()]


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize("place", [*PLACES, *IN_GRAPHS])
def test_a_saved_run_names_no_function(place, node, forged, untouched):
    """The attack of a chain of writers, at every place of a configuration that takes a part."""
    if place in ("data", "data of data", "sets") and node.get("type") == "fashion_mnist":
        pytest.skip("that is a data set, see below")
    folder = forged(**(PLACES | IN_GRAPHS)[place](node))
    resumed(folder)
    refused(lambda: open_run(folder))
    if place in IN_GRAPHS:
        refused(lambda: ssl_pipeline.load(folder))


@pytest.mark.parametrize("node", [*WRITERS.values(), {}, "log_mel", {"type": "bytes", "length": WRITERS["cache"]}])
def test_a_saved_run_names_no_function_as_its_codec(node, forged, untouched, tmp_path):
    folder = forged()
    file = folder / "codecs.json"
    before = file.read_text()
    file.write_text(json.dumps({"samples": node}).replace("HERE", str(tmp_path / "written")))
    refused(lambda: ssl_pipeline.load(folder))
    file.write_text(before)
    ssl_pipeline.load(folder)  # nothing else was wrong


@pytest.mark.parametrize("text", ["[]", "3", "{", "[" * 20_000])
def test_a_file_that_holds_no_codecs_is_damaged(text, forged):
    folder = forged()
    (folder / "codecs.json").write_text(text)
    with pytest.raises(ValueError, match=r"codecs.json is damaged"):
        ssl_pipeline.load(folder)


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


def test_a_part_of_ones_own_is_settled_wherever_it_stands(forged):
    """``settled`` holds at every place that takes a part, and for parts inside parts."""
    try:
        for kind in ("loss", "encoder", "optimizer", "protocol", "layer", "callback"):
            register(kind, "writes", settled={"path": None})(Writes)
        node = {"type": "writes", "path": "HERE", "size": 1}
        groups = {name: place(node) for name, place in (PLACES | IN_GRAPHS).items()}
        groups |= {"edges": {"edge": {"a": {"from": "x", "to": "y", "loss": node}}}}
        for name in ("optimizer", "protocol", "callback", "encoder", "mlp", "loss", "edge", "edges", "column"):
            config, ignored = read_saved(forged(**groups[name]))
            text = json.dumps({key: config[key] for key in groups[name]}, sort_keys=True)
            assert '{"path": null, "size": 1, "type": "writes"}' in text and ignored, name
    finally:
        for kind in registry._ENTRIES.values():
            kind.pop("writes", None)


class Writes:
    def __init__(self, path=None, size=0): ...


@pytest.mark.parametrize(
    "groups",
    [
        {"corruption": {"../../x": {"type": "echo"}}},
        {"data": {"type": "mixed", "sets": {"/tmp/x": "digits", "b": "digits"}}},
        {"trainer": {"max_steps": 3, "max_epochs": None, "max_time": None, "default_root_dir": "HERE"}},
    ],
)
def test_names_and_bounds_do_not_lead_to_other_folders(groups, forged, untouched):
    resumed(forged(**groups))


@pytest.mark.parametrize("text", ["- a list", "text", "3", "", "a: [1, 2", "!!python/object/apply:os.system [touch x]"])
def test_a_file_that_is_no_configuration(text, forged, tmp_path):
    folder = forged()
    (folder / "config.yaml").write_text(text)
    for call in (lambda: ssl_pipeline.load(folder), lambda: compose([f"resume={folder}"]), lambda: open_run(folder)):
        assert "config.yaml is damaged" in refused(call)
    assert not (tmp_path / "x").exists()


def test_names_alone_stay_names(tmp_path, monkeypatch):
    """``loss=l1`` is saved as it was said, so the same command goes on with it."""
    monkeypatch.chdir(tmp_path)
    words = ["objective.reconstruct.loss=l1", "trainer.max_steps=2", "hardware=cpu", "report.page=false", "probe=none"]
    run(configured(*words), "run")
    assert read_saved(tmp_path / "run").config["objective"]["reconstruct"]["loss"] == "l1"
    assert again(configured(*words) | {"resume": "run"})["objective"]["reconstruct"]["loss"] == "l1"
    assert type(ssl_pipeline.load("run").graph.objective.terms["reconstruct"].loss).__name__ == "L1"


def test_what_was_saved_by_a_run_still_runs(forged):
    folder = forged()
    assert run(compose([f"resume={folder}", "trainer.max_steps=3"]), str(folder))["steps"] == 3
    assert ssl_pipeline.load(folder).embed(torch.rand(2, 1, 8, 8)).shape[0] == 2


READERS = {
    "ssl_pipeline/config/saved.py",
    "ssl_pipeline/config/families.py",  # templates of texts
    "scripts/bench_methods.py",  # its own rows
    # The rest shows what stands in a file, or compares it, and makes nothing of it.
    "scripts/sweep_table.py",
}


def test_saved_configurations_are_read_in_one_place():
    """Studies and commands take a run's configuration from ``load`` or ``read_saved``, never from the file itself."""
    sources = {str(file.relative_to(ROOT)): file.read_text() for file in python_files()}
    assert {name for name, text in sources.items() if re.search(r"yaml\.(safe_)?load|OmegaConf\.load", text)} == READERS
    imports = {name for name, text in sources.items() if re.search(r"\bimport_module\(|__import__\(", text)}
    assert not [name for name, text in sources.items() if name.startswith("scripts/") and "trust" in text]
    mine = {"plugins.py", "registry.py", "trust.py"}
    assert imports == {"ssl_pipeline/__init__.py", *(f"ssl_pipeline/config/{name}" for name in mine)}


def python_files():
    return [file for room in ("ssl_pipeline", "scripts") for file in (ROOT / room).rglob("*.py")]


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
