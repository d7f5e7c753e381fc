"""A blind restorer of texts beside spell checkers, on the test samples of its run: errors in 100 symbols.

python scripts/bench_restorer_text.py RUN --language en   # pip install pyspellchecker symspellpy
python scripts/bench_restorer_text.py RUN --classical no

Spell checkers mend word by word.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from functools import lru_cache, partial
from importlib.resources import files
from pathlib import Path
from statistics import mean

import torch

import ssl_pipeline as sslp
from ssl_pipeline.config.build import build_part
from ssl_pipeline.config.saved import read_saved
from ssl_pipeline.corruptions import OCR, Case, Corruption, Diacritics, Drop, Typos
from ssl_pipeline.evaluation.fidelity import edit_distance
from ssl_pipeline.evaluation.frozen_features import spread_batches
from ssl_pipeline.report import markdown
from ssl_pipeline.structures.batch import clean_view
from ssl_pipeline.structures.random import generator

CASES: dict[str, Corruption] = {
    **{f"OCR {ratio}": OCR(ratio=ratio) for ratio in (0.05, 0.1, 0.2)},
    **{f"typing {ratio}": Typos(ratio=ratio) for ratio in (0.05, 0.1)},
    "case 0.5": Case(ratio=0.5),
    "diacritics 1": Diacritics(ratio=1.0),
    "letters lost 0.1": Drop(ratio=0.1),
}
WORD = re.compile(r"[^\W\d_][\w']*|\w*[^\W\d_]\w*")
Mend = Callable[[str], str]
"""Of a word."""


def spellchecker(language: str) -> Mend:
    """The likeliest word at one or two edits."""
    from spellchecker import SpellChecker

    known = SpellChecker(language=language)
    return lru_cache(100_000)(lambda word: word if word.lower() in known else known.correction(word.lower()) or word)


def symspell(language: str) -> Mend | None:
    """The nearest frequent word; its package has a list of English ones."""
    from symspellpy import SymSpell, Verbosity

    if language != "en":
        return None
    speller = SymSpell()
    speller.load_dictionary(str(files("symspellpy") / "frequency_dictionary_en_82_765.txt"), 0, 1)
    nearest = partial(speller.lookup, verbosity=Verbosity.TOP, max_edit_distance=2, include_unknown=True)
    return lru_cache(100_000)(lambda word: nearest(word, transfer_casing=True)[0].term)


def by_word(mend: Mend, text: str) -> str:
    """A text whose words are mended, in the case of their first letters."""

    def mended(match: re.Match[str]) -> str:
        word, found = match[0], mend(match[0])
        return found.capitalize() if word[0].isupper() and found.islower() else found

    return WORD.sub(mended, text)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run on texts of bytes")
    parser.add_argument("--language", default="en", help="of the spell checkers")
    parser.add_argument("--samples", type=int, default=100, help="test samples")
    parser.add_argument("--classical", choices=("yes", "no"), default="yes")
    asked = parser.parse_args()
    model, data = sslp.load(asked.run), build_part("data", read_saved(asked.run).config["data"])
    batch = next(spread_batches(data.test, asked.samples, asked.samples))
    truth = data.codec.decode(batch.x)
    tools = {"pyspellchecker": spellchecker, "symspellpy": symspell}
    tools = {name: make(asked.language) if asked.classical == "yes" else None for name, make in tools.items()}
    print(markdown.table_head("errors in 100 symbols", "corrupted", *tools, "restored"))
    for name, corruption in CASES.items():
        view = corruption.bind(data.grid)(clean_view(data.grid, batch.x, batch.valid), generator("cpu", name))
        corrupted = data.codec.decode(view.x)
        with_tools = [_errors([by_word(mend, text) for text in corrupted], truth) if mend else None
                      for mend in tools.values()]  # fmt: skip
        ours = data.codec.decode(model.restore(view.x, valid=view.valid))
        cells = (_errors(corrupted, truth), *with_tools, _errors(ours, truth))
        print(markdown.row(name, *("" if cell is None else f"{cell:.2f}" for cell in cells)), flush=True)


def _errors(texts: list[str], truth: list[str]) -> float:
    """Mean of the character error rates in percent."""
    return mean(_rate(text, true) for text, true in zip(texts, truth, strict=True) if true)


def _rate(text: str, true: str) -> float:
    length = max(len(text), len(true))  # padding that both have costs nothing
    x, clean = (torch.tensor([[*map(ord, one.ljust(length, "\0"))]]) for one in (text, true))
    return 100 * edit_distance(x, clean).item() / len(true)


if __name__ == "__main__":
    main()
