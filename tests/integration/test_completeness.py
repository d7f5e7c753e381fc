"""Whatever can be chosen is in the tables of ``helpers/cases``, and whatever is in the tables can be chosen."""

from __future__ import annotations

import inspect

import pytest
import yaml
from helpers import cases
from helpers.paths import ROOT, yaml_files

import ssl_pipeline.corruptions
import ssl_pipeline.lab.callbacks
import ssl_pipeline.losses
import ssl_pipeline.models.decoders
import ssl_pipeline.models.encoders
import ssl_pipeline.models.latents
from ssl_pipeline.config.registry import lookup
from ssl_pipeline.training import GraphCallback

TABLES = {
    "corruption": (cases.CORRUPTIONS, ssl_pipeline.corruptions, ssl_pipeline.corruptions.Corruption, {"Chain"}),
    "encoder": (cases.ENCODERS, ssl_pipeline.models.encoders, ssl_pipeline.models.encoders.Encoder, {"ModuleEncoder"}),
    "decoder": (cases.DECODERS, ssl_pipeline.models.decoders, ssl_pipeline.models.decoders.Decoder, set()),
    "objective": (
        cases.LOSSES,
        ssl_pipeline.losses,
        (ssl_pipeline.losses.PairLoss, ssl_pipeline.losses.ReconstructionLoss),
        set(),
    ),
    "callback": (cases.CALLBACKS, ssl_pipeline.lab.callbacks, GraphCallback, {"PartsCallback"}),
}


@pytest.mark.parametrize("group", [*TABLES, "latent"])
def test_yaml_files_and_table_rows_agree(group):
    table = cases.LATENTS if group == "latent" else TABLES[group][0]
    by_object = {"module"}  # which no table of options can make
    files = {path.stem for path in yaml_files(group)} - {"none", *by_object}
    assert files == {case.name for case in table}, (
        f"each conf/{group}/NAME.yaml needs a row in tests/helpers/cases, and each row there a file"
    )


@pytest.mark.parametrize("group", TABLES)
def test_every_class_has_a_row(group):
    table, package, base, without = TABLES[group]
    classes = {
        cls
        for _, cls in inspect.getmembers(package, inspect.isclass)
        if issubclass(cls, base) and not inspect.isabstract(cls) and cls.__name__ not in without
    }
    assert classes == {case.build for case in table}, f"add a row for each class of {group} to tests/helpers/cases"


PAGES = {
    "docs/corruptions.md": ssl_pipeline.list_corruptions,
    "docs/objectives.md": ssl_pipeline.list_objectives,
    "docs/models.md": lambda: ssl_pipeline.list_encoders() + ssl_pipeline.list_decoders(),
    "docs/methods.md": ssl_pipeline.list_methods,
    "data/README.md": ssl_pipeline.list_data,
    "README.md": lambda: ssl_pipeline.list_corruptions() + ssl_pipeline.list_objectives(),
}


@pytest.mark.parametrize("page", PAGES)
def test_every_name_stands_on_its_page(page):
    text = (ROOT / page).read_text()
    lost = [name for name in PAGES[page]() if f"`{name}`" not in text and f"={name}" not in text]
    assert not lost, f"{page} says nothing of {', '.join(lost)}"


@pytest.mark.parametrize("path", yaml_files("*"), ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_yaml_spells_every_option(path):
    """A YAML file is what users read: it names all options of its class, with values that the class would take."""
    node, group = yaml.safe_load(path.read_text()) or {}, path.parent.name
    node.pop("defaults", None)  # other files, Hydra's own word
    found = [*_parts(group, node)] if "type" in node else []
    assert found or group not in (*TABLES, "latent") or path.stem == "none", f"{path.name} names no part"
    for entry, options in found:
        parameters = inspect.signature(entry.target).parameters.values()
        known = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        assert options <= known, f"{path.name} has options that {entry.kind} {entry.name} lacks"
        if group in (*TABLES, "latent"):
            assert not (missing := known - options), f"{path.name} leaves out {missing}"


def _parts(kind, node):
    entry = lookup(kind, node if isinstance(node, str) else node["type"])
    if isinstance(node, dict):
        yield entry, {key for key in node if key not in ("type", "defaults")}
        for key, value in node.items():
            if value is not None and (inner := entry.kind_of(key)) is not None:
                yield from _parts(inner, value)
