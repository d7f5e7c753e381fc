"""What may be written of each data set, and what the package imports."""

import inspect
import subprocess
import sys
from dataclasses import asdict, is_dataclass

import pytest
import yaml
from helpers.paths import CONF

from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import (
    arithmetic,
    audio_folder,
    cifar10,
    csv,
    digits,
    fashion_mnist,
    folder,
    fortunes,
    hf,
    hf_audio,
    hf_text,
    librispeech,
    pydoc,
    scenes,
    speech_commands,
    text_files,
    tones,
)
from ssl_pipeline.data.options import Split


@pytest.mark.parametrize(
    "function",
    [
        *(digits, fashion_mnist, cifar10, folder, hf),
        *(tones, audio_folder, speech_commands, librispeech, hf_audio),
        *(pydoc, text_files, fortunes, hf_text),
        *(arithmetic, scenes, csv),
    ],
)
def test_yaml_spells_every_option_with_its_default(function):
    text = (CONF / "data" / f"{function.__name__}.yaml").read_text()
    options = yaml.safe_load(text)
    assert text.startswith("# @package data\n")
    assert options.pop("type") == function.__name__
    parameters = inspect.signature(function).parameters.values()
    defaults = {p.name: "???" if p.default is p.empty else p.default for p in parameters}
    assert options == {name: asdict(value) if is_dataclass(value) else value for name, value in defaults.items()}
    lines = [line for line in text.splitlines() if not line.startswith("#") and not line.startswith("type:")]
    assert all("  # " in line for line in lines)


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
        ({"holdout": "half"}, r"split\.holdout='half': expected float \| int"),
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
