"""The commands of the README train."""

from __future__ import annotations

import re
import shlex
from string import Template

import pytest
from helpers.paths import ROOT
from helpers.runs import command

README = (ROOT / "README.md").read_text()
SHELL = dict(re.findall(r'^([A-Z]+)="?(.+?)"?$', README, flags=re.M))  # variables that stand before some commands
COMMANDS = [
    Template(c).safe_substitute(SHELL) for c in re.findall(r"^python train\.py (.+?)(?: +#.*)?$", README, flags=re.M)
]


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", [c for c in COMMANDS if not re.search(r"<time>|path/to|NAME|/usr/share|--multirun|my_conf|logger=", c)]
)
def test_readme_commands_train(arguments, tmp_path):
    done = command(*shlex.split(arguments), "trainer.max_steps=2", "probe=none", f"hydra.run.dir={tmp_path}/run")
    assert done.returncode == 0, done.stderr
