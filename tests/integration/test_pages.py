"""README.md and docs/: what they say to type works, and what they link to is there."""

from __future__ import annotations

import ast
import inspect
import re
import shlex

import pytest
from helpers.pages import PAGES, anchors, blocks, commands, links, training
from helpers.paths import ROOT
from helpers.runs import command

from ssl_pipeline import commands as runs
from ssl_pipeline.cli.main import COMMANDS
from ssl_pipeline.config.compose import compose

TRAINING = sorted({arguments for page in PAGES for arguments in training(page)})
COMPOSED = [a for a in TRAINING if not re.search(r"<time>|my_conf|--help|path/to/mine\.yaml", a)]
TRAINED = [a for a in COMPOSED if not re.search(r"path/to|NAME|/usr/share|--multirun|hardware=|logger=", a)]


@pytest.mark.parametrize("arguments", COMPOSED)
def test_commands_of_the_pages_compose(arguments):
    words = [word.replace("corruption=NAME", "corruption=noise") for word in shlex.split(arguments)]
    if "--multirun" in words:  # its first job
        words = [word.partition(",")[0] for word in words if word[:1] != "-" and not word.startswith("hydra")]
    assert compose(words)["corruption"]


@pytest.mark.slow
@pytest.mark.parametrize("arguments", TRAINED)
def test_commands_of_the_pages_train(arguments, tmp_path):
    quick = ["trainer.max_steps=2", *([] if "probe." in arguments else ["probe=none"])]
    done = command(*shlex.split(arguments), *quick, f"hydra.run.dir={tmp_path}/run")
    assert done.returncode == 0, done.stderr


def test_the_pages_have_commands():
    assert len(TRAINED) > 20 and len(COMPOSED) > len(TRAINED)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_programs_that_a_page_names_exist(page):
    for line in commands(page):
        if found := re.match(r"ssl-pipeline (\S+)", line):
            assert found[1] in COMMANDS, line
        for script in re.findall(r"python (\S+\.py)", line):
            options = re.findall(r" (--[\w-]+)", line) if script.startswith("scripts/") else []
            assert all(f'"{option}"' in (ROOT / script).read_text() for option in options), line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_of_a_page_take_its_arguments(page):
    for line in commands(page):
        program, name, *words = [*shlex.split(line), ""]
        if program != "ssl-pipeline" or name == "train":
            continue
        takes = inspect.signature(getattr(runs, name)).parameters
        if "options" in takes and takes["options"].default is not None:
            continue  # it takes all options of train
        keys = {word.partition("=")[0] for word in words if re.match(r"[a-z_.]+=", word)}
        assert {key for key in keys - takes.keys() if key.split(".")[0] != "data" or "options" not in takes} == set(), (
            line
        )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_of_a_page_parses(page):
    for text in blocks(page, "python"):
        ast.parse(text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_of_a_page_lead_somewhere(page):
    for link in links(page):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link
        assert target.suffix not in (".svg", ".png") or target.stat().st_size < 200_000, f"{link} is large"


def test_the_index_names_every_page():
    index = ROOT / "docs/index.md"
    named = {link for link in links(index) if "/" not in link}
    assert named == {page.name for page in PAGES if page.parent.name == "docs"} - {index.name}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_lines_of_prose_are_short(page):
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S).splitlines()
    assert not [line for line in prose if len(line) > 120 and not line.startswith("|")]
    assert page.name != "README.md" or len(page.read_text().splitlines()) <= 200
