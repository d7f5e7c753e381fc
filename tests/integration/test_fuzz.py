"""Random command lines: what can be trained takes its steps, and what cannot ends in one sentence and exit code 1.

``FUZZ=2000 pytest -m slow tests/integration/test_fuzz.py`` tries more, and prints how many of each kind there were.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from ssl_pipeline.config.compose import compose
from ssl_pipeline.losses import ReconstructionLoss
from ssl_pipeline.utils.errors import HINT

pytest.importorskip("hypothesis")
from helpers.cases import CORRUPTIONS, LOSSES
from helpers.paths import yaml_files
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

TRIES = int(os.environ.get("FUZZ", "30"))
FIXED = ["hardware=cpu", "trainer.max_steps=2", "trainer.enable_progress_bar=false", "report.page=false"]
FIXED += [
    "probe.protocol.train_limit=64",
    "probe.protocol.test_limit=32",
    "probe.protocol.few_shot=0",
    "probe=clean",
    "batch_size=12",
]
DATA = {
    "digits": [],
    "tones": ["data.samples=48", "data.seconds=0.2"],
    "pydoc": ["data.length=24", "data.windows.stride=24"],
}
LEFT_ALONE = (
    "trainer.max_steps",
    "hardware.devices",
    "hardware.num_nodes",
    "hardware.accelerator",
    "hydra",
    "logger",
    "trust",
    "debug",
)
"""What ends the run, starts processes, asks for other machines, or reads as it is meant to."""


def names(group: str) -> list[str]:
    """Files of a group."""
    return sorted(path.stem for path in yaml_files(group))


GRID_OF = {"digits": "grey", "tones": "logmel", "pydoc": "bytes"}
ODD = {"digits": set(), "tones": set(), "pydoc": {"crop", "lowres", "template"}}
FITTING = {
    data: sorted({case.name for case in CORRUPTIONS if GRID_OF[data] in case.grids} - ODD[data]) for data in DATA
}
"""Corruptions by data that they work on, from the tables of ``helpers/cases``."""
FITTING["digits"] += ["lowres-noise", "crop-mask", "noise-mask", "crop-any"]
FITTING["tones"] += ["lowres-noise", "crop-mask", "noise-mask", "crop-any"]
FITTING["pydoc"] += ["noise-mask", "drop-noise", "any-mask"]


@st.composite
def compositions(draw: Any) -> list[str]:
    """Any choice in each group, with what keeps it small."""
    data = draw(st.sampled_from([*DATA]))
    some = st.one_of(*[st.sampled_from(FITTING[data])] * 4, st.sampled_from(names("corruption")))
    parts = [part for one in draw(st.lists(some, min_size=1, max_size=4)) for part in one.split("-")]
    signs = draw(st.lists(st.sampled_from("++-"), min_size=len(parts) - 1, max_size=len(parts) - 1))
    corruption = "".join(part + sign for part, sign in zip(parts, [*signs, ""], strict=True))
    objective = "+".join(draw(st.lists(st.sampled_from(names("objective")), min_size=1, max_size=2, unique=True)))
    encoder, decoder = draw(st.sampled_from(["conv", "vit"])), draw(st.sampled_from(names("decoder")))
    words = [f"data={data}", *DATA[data], f"corruption={corruption}", f"objective={objective}"]
    words += [f"encoder={encoder}", f"decoder={decoder}", f"teacher={draw(st.sampled_from(names('teacher')))}"]
    words += [
        f"latent={draw(st.sampled_from(names('latent')))}",
        f"optimizer={draw(st.sampled_from(names('optimizer')))}",
    ]
    words += ["encoder.widths=[8,8]"] if encoder == "conv" else ["encoder.width=24", "encoder.depth=1"]
    words += ["decoder.widths=[8]"] if decoder == "conv" else ["decoder.width=24", "decoder.depth=1"]
    words += draw(st.sampled_from([[], ["views_per_step=1"], ["views_per_step=2"]]))
    words += draw(st.sampled_from([[], ["allow_collapse=true"]]))
    return [*FIXED, *words]


RESTORES = sorted(
    {case.name for case in LOSSES if issubclass(case.build, ReconstructionLoss)}
    - {"translate", "transition", "consistency", "stft", "logmel", "cross_entropy", "patchnorm", "jepa"}
)
"""Objectives to the clean form of numbers that suit any grid."""
PAIRS = ["align+sigreg", "info_nce", "vicreg", "barlow", "nnclr", "swav"]
TAUGHT = ["byol", "moco", "dino"]


@st.composite
def trainable(draw: Any) -> list[str]:
    """A choice in each group that goes together."""
    data = draw(st.sampled_from([*DATA]))
    text = data == "pydoc"
    encoder = "vit" if text else draw(st.sampled_from(["conv", "vit"]))
    decoders = (
        ["cross_attention", "autoregressive"]
        if text
        else ["cross_attention", "conv"]
        if encoder == "conv"
        else ["cross_attention"]
    )
    decoder = draw(st.sampled_from(decoders))
    views = draw(st.lists(st.sampled_from(FITTING[data]), min_size=2, max_size=3))
    restores = ["cross_entropy"] if text else [*RESTORES]
    objectives = [*restores, *PAIRS, *TAUGHT, *(f"{pair}+{back}" for pair in PAIRS[:3] for back in restores[:1])]
    objective = draw(st.sampled_from(objectives))
    words = [f"data={data}", *DATA[data], f"corruption={'+'.join(views)}", f"objective={objective}"]
    words += [f"encoder={encoder}", f"decoder={decoder}", f"optimizer={draw(st.sampled_from(names('optimizer')))}"]
    words += ["encoder.widths=[8,8]"] if encoder == "conv" else ["encoder.width=24", "encoder.depth=1"]
    words += ["decoder.widths=[8]"] if decoder == "conv" else ["decoder.width=24", "decoder.depth=1"]
    words += ["teacher=ema"] if objective in TAUGHT else []
    words += ["objective.swav.projector.count=4"] if objective == "swav" else []
    slots = decoder == "cross_attention" and encoder == "vit" and draw(st.booleans())
    words += ["latent=slots", "latent.slots=2"] if slots else []
    return [*FIXED, *words]


VALUES = [
    "-1",
    "0",
    "0.5",
    "1",
    "3",
    "97",
    "1e-12",
    "1e12",
    "nan",
    "inf",
    "null",
    "true",
    "auto",
    "nonsense",
    "''",
    "[]",
]
VALUES += ["[1]", "[0.1,0.2]", "[3,1]", "[a,b,c]", "{a: 1}", "-0.5", "2.5"]


def leaves(node: Any, above: str = "") -> list[str]:
    """Dotted names of all values."""
    if not isinstance(node, dict) or not node:
        return [above]
    return [leaf for key, value in node.items() for leaf in leaves(value, f"{above}.{key}" if above else str(key))]


CHILD = """
import io, json, shutil, sys
from contextlib import redirect_stderr, redirect_stdout
from ssl_pipeline.cli import main as cli
for line in sys.stdin:
    words, folder = json.loads(line)
    said = io.StringIO()
    with redirect_stdout(io.StringIO()), redirect_stderr(said):
        code = cli.train([*words, f"hydra.run.dir={folder}"])
    shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps([code, said.getvalue()]), flush=True)
"""


class Tried:
    """A process that tries command lines, without the checks of types that the tests bring along."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.counted, self.said = folder, Counter(), ""
        self._process: subprocess.Popen | None = None

    def __call__(self, words: list[str]) -> str:
        """``step`` or ``sentence``: how a command line ended; anything else fails."""
        line = " ".join(words)
        if self._process is None or self._process.poll() is not None:
            words_of_it = [sys.executable, "-c", CHILD]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            self._process = subprocess.Popen(words_of_it, text=True, **pipes)
        self._process.stdin.write(json.dumps([words, str(self.folder)]) + "\n")
        self._process.stdin.flush()
        late = Timer(120, self._process.kill)
        late.start()
        answer = self._process.stdout.readline()
        late.cancel()
        assert answer, f"{line}\nthe process has died ({self._process.poll()})"
        code, said = json.loads(answer)
        self.said = said
        last = said.strip().splitlines()[-1] if said.strip() else ""
        assert "Traceback" not in said, f"{line}\n{said}"
        assert HINT not in said, f"{line}\n{last}"
        if code == 0:
            return "step"
        assert code == 1, f"{line}\nexit code {code}\n{said}"
        assert last.startswith("error: ") and said.count("error: ") == 1, f"{line}\n{said}"
        return "sentence"

    def end(self) -> None:
        """Let the process go."""
        if self._process is not None:
            self._process.kill()


asked = settings(
    max_examples=TRIES,
    deadline=None,
    derandomize="FUZZ" not in os.environ,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[*HealthCheck],
    report_multiple_bugs=False,
)


@pytest.fixture(scope="module")
def tried(tmp_path_factory) -> Iterator[Tried]:
    """One process for all, which takes long to start."""
    made = Tried(tmp_path_factory.mktemp("fuzz") / "run")
    yield made
    made.end()
    print(dict(made.counted))


@pytest.mark.slow
@asked
@given(words=trainable())
def test_what_goes_together_trains(words, tried):
    assert tried(words) == "step", f"{' '.join(words)}\n{tried.said}"
    tried.counted["goes together: step"] += 1


@pytest.mark.slow
@asked
@given(words=compositions())
def test_compositions_train_or_say_why_not(words, tried):
    tried.counted[f"any: {tried(words)}"] += 1


@pytest.mark.slow
@asked
@given(words=trainable(), seed=st.integers(0, 2**32))
def test_values_train_or_are_refused(words, seed, tried):
    """One option takes a value that may be no good for it."""
    options = [option for option in leaves(compose(words)) if not option.endswith(".type")]
    options = [option for option in options if not option.startswith(LEFT_ALONE)]
    chance = random.Random(seed)  # hypothesis likes small numbers, and the first options, too much
    tried.counted[f"value: {tried([*words, f'{chance.choice(options)}={chance.choice(VALUES)}'])}"] += 1
