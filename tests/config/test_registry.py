"""Parts enter by kind and name, those of plug-ins among them."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from importlib import import_module

import pytest

from ssl_pipeline.config import registry
from ssl_pipeline.config.registry import Entry, lookup, part_names, register

KINDS = [*registry._HOMES, "callback", "sampler"]


@pytest.fixture
def kind():
    """A kind of its own, gone again after the test."""
    yield "test kind"
    registry._ENTRIES.pop("test kind", None)


def test_a_class_or_function_enters_and_stays_what_it_was(kind):
    class Plain: ...

    assert register(kind, "plain")(Plain) is Plain
    assert lookup(kind, "plain") == Entry(kind, "plain", Plain) and part_names(kind) == ["plain"]
    assert register(kind, "of another package", parts={"a": "loss"})(dict) is dict
    assert lookup(kind, "of another package").kind_of("a") == "loss"
    assert lookup(kind, "of another package").kind_of("b") is None


def test_a_name_is_taken_once(kind):
    register(kind, "one")(dict)
    register(kind, "one")(dict)  # a module that is loaded again
    with pytest.raises(ValueError, match=r"'one' is builtins\.dict already: take another name"):
        register(kind, "one")(list)


@pytest.mark.parametrize("kind", KINDS)
def test_every_part_can_be_named(kind):
    assert part_names(kind)
    for name in part_names(kind):
        entry = lookup(kind, name)
        assert entry.name == name and name == name.lower() and name.isidentifier()
        parameters = inspect.signature(entry.target).parameters
        assert "type" not in parameters and "_target_" not in parameters and "trust" not in parameters
        settled = {place.partition(".")[0] for place in entry.settled}
        assert settled | {*entry.imports} | {*entry.parts} - {"*"} <= {*parameters}
        for inner in filter(None, entry.parts.values()):
            assert part_names(inner)


def test_what_writes_or_sends_or_imports_is_declared():
    """Options that are places, in all parts: what a saved file must not decide, or may, since it is only read."""
    places = {"root", "masks", "path", "data_files", "cache", "uri", "entity", "env", "download"}
    read_only = {"root", "masks", "path", "data_files"}
    for kind in KINDS:
        for name in part_names(kind):
            entry = lookup(kind, name)
            decided = {place.partition(".")[0] for place in entry.settled} | {*entry.imports}
            assert {*inspect.signature(entry.target).parameters} & places - read_only <= decided, (kind, name)


def test_unknown_names_and_kinds():
    with pytest.raises(ValueError, match=r"^there is no corruption 'maks'; nearest: mask"):
        lookup("corruption", "maks")
    with pytest.raises(ValueError, match=r"^there is no kind 'los' of parts; nearest: loss$"):
        part_names("los")
    with pytest.raises(ValueError, match=r"^there is no kind 'los' of parts"):
        lookup("los", "mse")


def test_a_part_in_a_file_that_nobody_imports_is_found(tmp_path, monkeypatch):
    package = tmp_path / "gates_of_mine"
    package.mkdir()
    (package / "__init__.py").touch()
    text = 'from ssl_pipeline.config.registry import register\n\n\n@register("gate_of_mine", "nor")\nclass Nor: ...\n'
    (package / "nor.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(registry._HOMES, "gate_of_mine", "gates_of_mine")
    monkeypatch.setitem(registry._ENTRIES, "gate_of_mine", {})
    with pytest.raises(
        ValueError, match=r"no gate_of_mine 'nor'; .*nor\.py registers it, but nothing imports .*import it"
    ):
        lookup("gate_of_mine", "nor")
    with pytest.raises(
        ValueError, match="no gate_of_mine 'xor'; there are none; one of your own must be registered in"
    ):
        lookup("gate_of_mine", "xor")
    import_module("gates_of_mine.nor")
    assert lookup("gate_of_mine", "nor").name == "nor"


@pytest.mark.slow
def test_a_broken_plug_in_is_named_and_the_rest_goes_on(tmp_path):
    installed = tmp_path / "broken-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[ssl_pipeline.plugins]\nbroken = broken_plugin\n")
    (tmp_path / "broken_plugin.py").write_text("import not_there_at_all\n")
    code = (
        "from ssl_pipeline.config.registry import lookup, part_names\n"
        "assert lookup('balance', 'sinkhorn')\n"  # ours needs no plug-in
        "print('before')\n"
        "assert 'sinkhorn' in part_names('balance') and 'sinkhorn' in part_names('balance')\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path}
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("warning: the plug-in broken cannot be imported, so its parts are missing") == 1
    assert "No module named 'not_there_at_all'" in done.stderr
