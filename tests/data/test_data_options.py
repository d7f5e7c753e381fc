"""What may be written of each data set, and what the package imports."""

import inspect
import subprocess
import sys
from dataclasses import asdict, is_dataclass

import pytest
import yaml
from helpers.paths import CONF, yaml_files

from ssl_pipeline.config.compose import compose
from ssl_pipeline.config.registry import lookup
from ssl_pipeline.data import pydoc
from ssl_pipeline.data.options import Split

NAMED = [path.stem for path in yaml_files("data") if yaml.safe_load(path.read_text())["type"] == path.stem]
"""Files that are named as their function, which they spell out; others choose options of one of these."""


@pytest.mark.parametrize("name", NAMED)
def test_yaml_spells_every_option_with_its_default(name):
    function = lookup("data", name).target
    text = (CONF / "data" / f"{name}.yaml").read_text()
    options = yaml.safe_load(text)
    assert text.startswith("# @package data\n")
    assert options.pop("type") == name
    parameters = list(inspect.signature(function).parameters.values())
    inner = {key.partition("@")[2].partition(".")[0] for one in options.pop("defaults", []) for key in one}
    assert {*options} | inner == {p.name for p in parameters}
    for one in parameters:  # an option without a default may have an example
        if one.default is not one.empty:
            default = asdict(one.default) if is_dataclass(one.default) else one.default
            assert options[one.name] == (list(default) if isinstance(default, tuple) else default), one.name
    lines = [line for line in text.splitlines() if not line.startswith("#") and not line.startswith("type:")]
    bare = [line for line in lines if "  # " not in line]
    assert inner or not bare, f"conf/data/{name}.yaml: write a comment behind each option, {bare[:1]} has none"


def test_the_package_stays_light():
    code = (
        "import sys, ssl_pipeline.data\n"
        "print([name for name in ('datasets', 'lightning', 'hydra', 'sklearn', 'torchvision') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"holdot": 0}, r"split has no option 'holdot'; nearest: holdout"),
        ({"holdout": "half"}, r"split\.holdout='half': expected a number"),
        ({"holdout": float("nan")}, r"split\.holdout=nan: expected a finite number"),
        ({"holdout": 1.0}, "up to, not including, 1"),
    ],
)
def test_groups_of_options_are_checked(options, words):
    with pytest.raises(ValueError, match=words):
        pydoc(split=options)


def test_a_group_keeps_the_defaults_that_are_not_named():
    assert len(pydoc(split={"seed": 1}).test.sources.unique()) == len(pydoc().test.sources.unique())
    assert Split.of(Split(0.3)) == Split.of({"holdout": 0.3})
    with pytest.raises(ValueError, match=r"expected split as options \{holdout: ..., ...\}, got 0.3"):
        Split.of(0.3)


def test_misspelt_options_of_groups_are_refused():
    with pytest.raises(ValueError, match=r"there is no option data\.split\.holdot; nearest: data\.split\.holdout"):
        compose(["data=pydoc", "data.split.holdot=0"])
