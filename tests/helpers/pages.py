"""README.md and docs/: their commands, Python, links and headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from string import Template

from helpers.paths import ROOT

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.M | re.S)
_VARIABLE = re.compile(r'^(?:export )?([A-Z]+)=("?)([^;]*?)\2$', flags=re.M)


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in one language."""
    return [text for name, text in _FENCE.findall(page.read_text()) if name == language]


def commands(page: Path) -> Iterator[str]:
    """Command lines of a page, without comments, with the shell variables that a page sets before them filled in."""
    text = "\n".join(blocks(page, "bash")).replace("\\\n", " ")
    variables = {name: value for name, _, value in _VARIABLE.findall(text)}
    for line in text.splitlines():
        words = re.sub(r" +#.*$", "", line)
        if words and words[0] != "#" and not _VARIABLE.match(words):
            yield from (Template(part.strip()).safe_substitute(variables) for part in words.split("&&"))


def training(page: Path) -> list[str]:
    """Arguments of the page's ``python train.py``."""
    return [command.split("train.py ", 1)[1] for command in commands(page) if "python train.py " in command]


def anchors(page: Path) -> set[str]:
    """What a link may name in a page: its headings, as GitHub writes them."""
    text = _FENCE.sub("", page.read_text())
    headings = re.findall(r"^#+ (.+)$", text, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    """Where a page leads to, pictures included."""
    return re.findall(r"\]\(([^)]+)\)", _FENCE.sub("", page.read_text()))
