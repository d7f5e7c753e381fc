"""What may be written of each data set, and what the package imports."""

import inspect
import subprocess
import sys

import pytest
import yaml
from helpers.paths import CONF

from ssl_pipeline.data import (
    arithmetic,
    audio_folder,
    cifar10,
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


@pytest.mark.parametrize(
    "function",
    [
        *(digits, fashion_mnist, cifar10, folder, hf),
        *(tones, audio_folder, speech_commands, librispeech, hf_audio),
        *(pydoc, text_files, fortunes, hf_text),
        *(arithmetic, scenes),
    ],
)
def test_yaml_spells_every_option_with_its_default(function):
    text = (CONF / "data" / f"{function.__name__}.yaml").read_text()
    options = yaml.safe_load(text)
    assert text.startswith("# @package data\n")
    assert options.pop("_target_") == f"ssl_pipeline.data.{function.__name__}"
    parameters = inspect.signature(function).parameters.values()
    assert options == {p.name: "???" if p.default is p.empty else p.default for p in parameters}
    lines = [line for line in text.splitlines() if not line.startswith("#") and "_target_" not in line]
    assert all("  # " in line for line in lines)


def test_the_package_stays_light():
    code = (
        "import sys, ssl_pipeline.data\n"
        "print([name for name in ('datasets', 'lightning', 'hydra', 'sklearn', 'torchvision') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
