"""Whatever can be chosen is in the tables of ``helpers/cases.py``, and whatever is in the tables can be chosen."""

from __future__ import annotations

import inspect

import pytest
import yaml
from helpers import cases
from helpers.paths import yaml_files

import ssl_pipeline.corruptions
import ssl_pipeline.lab.callbacks
import ssl_pipeline.losses
import ssl_pipeline.models.decoders
import ssl_pipeline.models.encoders
import ssl_pipeline.models.latents
from ssl_pipeline.training import GraphCallback

TABLES = {
    "corruption": (cases.CORRUPTIONS, ssl_pipeline.corruptions, ssl_pipeline.corruptions.Corruption, {"Chain"}),
    "encoder": (cases.ENCODERS, ssl_pipeline.models.encoders, ssl_pipeline.models.encoders.Encoder, set()),
    "decoder": (cases.DECODERS, ssl_pipeline.models.decoders, ssl_pipeline.models.decoders.Decoder, set()),
    "objective": (
        cases.ENERGIES,
        ssl_pipeline.losses,
        (ssl_pipeline.losses.PairLoss, ssl_pipeline.losses.ReconstructionLoss),
        set(),
    ),
    "callback": (cases.CALLBACKS, ssl_pipeline.lab.callbacks, GraphCallback, {"PartsCallback"}),
}


@pytest.mark.parametrize("group", [*TABLES, "latent"])
def test_yaml_files_and_table_rows_agree(group):
    table = cases.LATENTS if group == "latent" else TABLES[group][0]
    assert {path.stem for path in yaml_files(group)} - {"none"} == {case.name for case in table}


@pytest.mark.parametrize("group", TABLES)
def test_every_class_has_a_row(group):
    table, package, base, without = TABLES[group]
    classes = {
        cls
        for _, cls in inspect.getmembers(package, inspect.isclass)
        if issubclass(cls, base) and not inspect.isabstract(cls) and cls.__name__ not in without
    }
    assert classes == {case.build for case in table}


@pytest.mark.parametrize("path", yaml_files("*"), ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_yaml_spells_every_option(path):
    """A YAML file is what users read: it names all options of its class, with values that the class would take."""
    node = yaml.safe_load(path.read_text())
    found = list(_targets(node))
    assert found or path.parent.name not in (*TABLES, "latent") or path.stem == "none", f"{path.name} has no target"
    for target, options in found:
        module, _, name = target.rpartition(".")
        parameters = inspect.signature(getattr(__import__(module, fromlist=[name]), name)).parameters
        given_later = {
            "grid",
            "views",
            "width",
            "embedding_width",
            "latent_width",
            "dense_shape",
            "corruption_params",
            "sizes",
            "self",
        }
        known = {n for n, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        assert options <= known | {"width"}, f"{path.name} has options that {target} lacks"
        if target.startswith("ssl_pipeline") and path.parent.name in (*TABLES, "latent"):
            missing = known - options - given_later
            assert not missing, f"{path.name} leaves out {missing}"


def _targets(node):
    if isinstance(node, dict):
        if "_target_" in node:
            yield node["_target_"], {k for k in node if not k.startswith("_") and k != "defaults"}
        for value in node.values():
            yield from _targets(value)
