"""A mistake on the command line ends in one sentence."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from helpers.paths import ROOT
from helpers.runs import command

MISTAKES = [
    (["corruption=mask+nois"], "noise"),
    (["corruption.noise.sgima=1"], "sigma"),
    (["batch_size=0"], "batch_size"),
    (["batch_size=5000"], "larger than the 1437 training samples"),
    (["corruption.mask.ratio=-0.5"], "ratio must be at least 0"),
    (["objective=align"], "only attract each other"),
    (["data=folder", "data.root=/nowhere/at/all"], "/nowhere/at/all"),
    (["data=folder", "data.root=/", "data.size=abc"], "data.size='abc': expected a whole number"),
    (
        ["data=folder", "data.root=/", "data.size=-4"],
        "as pixels along a side, from 1 to 16,384, got -4",
    ),
    (["data=folder", "data.root=/", "data.size=1.5"], "data.size=1.5: expected a whole number"),
    (["trainer.max_time=soon"], "DD:HH:MM:SS"),
    (["trainer.max_steps=many"], "whole number"),
    (["objective=cross_entropy"], "take reconstruct"),
    (["resume=/nowhere/at/all"], "no such folder"),
    (["+trainer.max_stepz=3"], "max_stepz"),
]
ALL_OF_THEM = """
import contextlib, io, json, sys
from ssl_pipeline.cli import main as cli

for arguments in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
        code = cli.main(["train", *arguments])
    print(json.dumps([code, said.getvalue()]))
"""


@pytest.fixture(scope="module")
def mistakes(tmp_path_factory):
    """What each comes to, in one process of its own: here annotations are checked, which would refuse words first."""
    folder = tmp_path_factory.mktemp("mistakes")
    asked = [["trainer.max_steps=1", f"hydra.run.dir={folder}/{i}", *words] for i, (words, _) in enumerate(MISTAKES)]
    done = subprocess.run(
        [sys.executable, "-c", ALL_OF_THEM, json.dumps(asked)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("number", range(len(MISTAKES)), ids=[" ".join(words) for words, _ in MISTAKES])
def test_a_mistake_is_one_sentence(number, mistakes):
    (code, said), (_, sentence) = mistakes[number], MISTAKES[number]
    assert code == 1
    assert "Traceback" not in said
    last = said.strip().splitlines()[-1]
    assert last.startswith("error: ") and sentence in last


def test_a_mistake_ends_the_command():
    done = command("corruption=mask+nois")
    assert done.returncode == 1 and done.stderr.startswith("error: ") and "Traceback" not in done.stderr
