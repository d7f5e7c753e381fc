"""Random command lines: what can be trained takes its steps, and what cannot ends in one sentence and exit code 1.

``FUZZ=2000 pytest -m slow tests/test_fuzz.py`` tries more, and prints how many of each kind there were.
"""

from __future__ import annotations

import io
import os
import shutil
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from ssl_pipeline import cli
from ssl_pipeline.config import compose
from ssl_pipeline.errors import HINT

pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

CONF = Path(__file__).parents[1] / "conf"
TRIES = int(os.environ.get("FUZZ", "60"))
FIXED = ["hardware=cpu", "trainer.max_steps=2", "trainer.enable_progress_bar=false", "report.page=false"]
FIXED += ["probe.protocol.train_limit=64", "probe.protocol.test_limit=32", "probe.protocol.few=0", "batch_size=12"]
DATA = {
    "digits": [],
    "tones": ["data.samples=48", "data.seconds=0.2"],
    "pydoc": ["data.length=24", "data.stride=24"],
}
LEFT_ALONE = ("hardware.devices", "hardware.num_nodes", "hardware.accelerator", "hydra", "logger", "trust", "debug")
"""What starts processes, asks for other machines, or reads as it is meant to."""


def names(group: str) -> list[str]:
    """Files of a group."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


@st.composite
def compositions(draw: Any) -> list[str]:
    """A choice in each group, with what keeps it small."""
    data = draw(st.sampled_from([*DATA]))
    parts = draw(st.lists(st.sampled_from(names("corruption")), min_size=1, max_size=4))
    signs = draw(st.lists(st.sampled_from("++-"), min_size=len(parts) - 1, max_size=len(parts) - 1))
    corruption = "".join(part + sign for part, sign in zip(parts, [*signs, ""], strict=True))
    objective = "+".join(draw(st.lists(st.sampled_from(names("objective")), min_size=1, max_size=2, unique=True)))
    encoder, decoder = draw(st.sampled_from(["conv", "vit"])), draw(st.sampled_from(names("decoder")))
    words = [f"data={data}", *DATA[data], f"corruption={corruption}", f"objective={objective}"]
    words += [f"encoder={encoder}", f"decoder={decoder}", f"teacher={draw(st.sampled_from(names('teacher')))}"]
    words += [f"latent={draw(st.sampled_from(names('latent')))}", f"optimizer={draw(st.sampled_from(names('optimizer')))}"]
    words += ["encoder.widths=[8,8]"] if encoder == "conv" else ["encoder.width=24", "encoder.depth=1"]
    words += ["decoder.widths=[8]"] if decoder == "conv" else ["decoder.width=24", "decoder.depth=1"]
    words += draw(st.sampled_from([[], ["views_per_step=1"], ["views_per_step=2"]]))
    words += draw(st.sampled_from([[], ["allow_collapse=true"]]))
    return [*FIXED, *words]


VALUES = ["-1", "0", "0.5", "1", "3", "97", "1e-12", "1e12", "nan", "inf", "null", "true", "auto", "nonsense", "''", "[]"]
VALUES += ["[1]", "[0.1,0.2]", "[3,1]", "[a,b,c]", "{a: 1}", "-0.5", "2.5"]


def leaves(node: Any, above: str = "") -> list[str]:
    """Dotted names of all values."""
    if not isinstance(node, dict) or not node:
        return [above]
    return [leaf for key, value in node.items() for leaf in leaves(value, f"{above}.{key}" if above else str(key))]


def ended(words: list[str], folder: Path) -> str:
    """``step`` or ``sentence``: how a command line ended; anything else fails."""
    out, err = io.StringIO(), io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = cli.train([*words, f"hydra.run.dir={folder}"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    said = err.getvalue().strip()
    last = said.splitlines()[-1] if said else ""
    assert "Traceback" not in said, f"{' '.join(words)}\n{said}"
    assert HINT not in said, f"{' '.join(words)}\n{last}"
    if code == 0:
        return "step"
    assert code == 1, f"{' '.join(words)}\nexit code {code}"
    assert last.startswith("error: ") and said.count("error: ") == 1, f"{' '.join(words)}\n{said}"
    return "sentence"


COUNTED: Counter[str] = Counter()
asked = settings(
    max_examples=TRIES,
    deadline=None,
    derandomize="FUZZ" not in os.environ,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[*HealthCheck],
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """For runs that are thrown away."""
    yield tmp_path_factory.mktemp("fuzz") / "run"
    print(dict(COUNTED))


@pytest.mark.slow
@asked
@given(words=compositions())
def test_compositions_train_or_say_why_not(words, folder):
    COUNTED[f"composition: {ended(words, folder)}"] += 1


@pytest.mark.slow
@asked
@given(words=compositions(), where=st.integers(0, 10**6), value=st.sampled_from(VALUES), drop=st.booleans())
def test_values_train_or_are_refused(words, where, value, drop, folder):
    """One option of a composition, or of one that is known to work, takes a value that may be no good for it."""
    if drop:
        words = [*FIXED, "corruption=mask+noise", "encoder.widths=[8,8]", "decoder.widths=[8]"]
    try:
        known = leaves(compose(words))
    except ValueError:
        COUNTED["value: composition refused"] += 1
        return
    known = [leaf for leaf in known if "_target_" not in leaf and "_partial_" not in leaf]
    known = [leaf for leaf in known if not leaf.startswith(LEFT_ALONE)]
    COUNTED[f"value: {ended([*words, f'{known[where % len(known)]}={value}'], folder)}"] += 1
