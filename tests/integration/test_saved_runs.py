"""A run's folder may be a stranger's: its files name registered parts and plain values, and nothing else happens."""

from __future__ import annotations

import json
import re

import pytest
import torch
from helpers.paths import ROOT
from helpers.runs import configured
from helpers.saved_runs import refused, resumed

import ssl_pipeline
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
        pytest.skip("that is a data set, see test_trust_of_saved_runs.py")
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
