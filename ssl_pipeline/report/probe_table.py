"""Probes of an encoder next to what it is compared with, and in words whether it beat that."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import sqrt
from typing import Any, NamedTuple

from ssl_pipeline.evaluation.subjects import ENCODER, MAJORITY, RAW, TEACHER, UNTRAINED

PROBE_TITLES = {"knn": "kNN-20", "linear": "linear", "few_shot": "few labels", "retrieval": "retrieval@1"}
_RETRIEVAL = PROBE_TITLES["retrieval"]  # asks about other samples than the probes of labels
MEASURE_TITLES = {**PROBE_TITLES, "corrupted": "corrupted samples"}
BALANCED_TITLES = {"knn_balanced": "balanced", "linear_balanced": "balanced"}
"""Mean over the classes of the share that is found; stands right of the accuracy."""
LABELS = ((ENCODER, ""), (TEACHER, "_teacher"), (UNTRAINED, "_untrained"), (RAW, "_raw"))


class Table(NamedTuple):
    """Cells as they are shown."""

    head: list[str]
    rows: list[list[str]]
    best: frozenset[tuple[int, int]] = frozenset()  # row and column of the best cells

    def marked(self, cell: Callable[[str, bool], str]) -> list[list[str]]:
        """The rows as ``cell`` writes each cell, told whether it is one of the best."""
        return [[cell(text, (i, k) in self.best) for k, text in enumerate(row)] for i, row in enumerate(self.rows)]


def probe_table(summary: Mapping[str, Any]) -> Table:
    """An encoder with its baselines, in percent; no rows where nothing was probed."""
    shown = [key for probe in PROBE_TITLES for key in (probe, f"{probe}_balanced") if key in summary]
    rows = []
    for label, suffix in LABELS:
        if any(f"{key}{suffix}" in summary for key in shown):
            rows.append([label, *(_cell(summary, key, suffix) for key in shown)])
    if "majority" in summary:
        rows.append([MAJORITY, *(_of_majority(summary, key) for key in shown)])
    titles = PROBE_TITLES | BALANCED_TITLES
    return Table(["", *(titles[key] for key in shown)], rows, best_cells(rows, range(1, len(shown) + 1)))


def best_cells(rows: Sequence[Sequence[str]], columns: Iterable[int]) -> frozenset[tuple[int, int]]:
    """Places of the largest numbers of some columns, of which there is more than one.

    >>> sorted(best_cells([["a", "9.5", "1"], ["b", "10.0 ± 2.0", ""], ["c", "10.0", ""]], [1, 2]))
    [(1, 1), (2, 1)]
    """
    found = set()
    for column in columns:
        numbers = {i: float(at[0]) for i, row in enumerate(rows) if (at := re.match(r"-?[\d.]+", row[column]))}
        if len(numbers) > 1:
            found |= {(i, column) for i, number in numbers.items() if number == max(numbers.values())}
    return frozenset(found)


def verdict(summary: Mapping[str, Any]) -> str:
    """Whether the encoder beat raw input and its untrained twin, see ``compared``.

    >>> verdict({"knn": 90.0, "knn_raw": 95.0, "linear": 92.0, "linear_raw": 90.0, "knn_untrained": 90.0})
    'This encoder beats raw input in linear, not in kNN-20. It does not beat its untrained twin in kNN-20.'
    """
    return compared(summary, PROBE_TITLES, "This encoder", summary.get("tested"))


def compared(summary: Mapping[str, Any], titles: Mapping[str, str], who: str, tested: float | None) -> str:
    """Whether the encoder beat raw input and its untrained twin, in sentences; empty where neither was probed.

    Args:
        summary: scores in percent.
        titles: of the scores that are compared.
        who: the encoder, as the first sentence calls it.
        tested: test samples that were scored; None where that is not known, and nothing is said of chance.

    >>> compared({"knn": 90.0, "knn_raw": 85.0}, {"knn": "kNN-20"}, "It", 54)
    'It beats raw input in kNN-20. Within chance on 54 test samples: kNN-20 against raw input.'
    """
    sentences, chance = [], []
    for other, suffix in (("raw input", "_raw"), ("its untrained twin", "_untrained")):
        pairs = {title: (summary[key], summary[f"{key}{suffix}"]) for key, title in titles.items()
                 if key in summary and f"{key}{suffix}" in summary}  # fmt: skip
        won = [title for title, (own, its) in pairs.items() if own > its]
        lost = [title for title in pairs if title not in won]
        if won:
            sentences.append(f"{who} beats {other} in {_list(won)}{f', not in {_list(lost)}' if lost else ''}.")
        elif lost:
            sentences.append(f"{who} does not beat {other} in {_list(lost, 'or')}.")
        who = "It" if sentences else who
        near = [title for title, pair in pairs.items() if tested and title != _RETRIEVAL and _by_chance(*pair, tested)]
        chance += [f"{_list(near)} against {other}"] if near else []
    said = [f"Within chance on {tested:,.0f} test samples: {'; '.join(chance)}."] if chance and tested else []
    return " ".join([*sentences, *said])


def _by_chance(own: float, other: float, tested: float) -> bool:
    """Whether two scores in percent differ by at most two standard errors of their mean, the share of so many samples.

    >>> _by_chance(90.0, 85.0, 54), _by_chance(90.0, 85.0, 1000)
    (True, False)
    """
    share = (own + other) / 200
    return abs(own - other) <= 200 * sqrt(share * (1 - share) / tested)


def cautions(summary: Mapping[str, Any]) -> list[str]:
    """What to know of the numbers of a run, in sentences.

    >>> cautions({"supervised": True, "retrieval_chance": 60.0, "cautions": ["no test sample is of ant"]})[1]
    'a source is found by chance: 60 %, so it is left out'
    """
    found = []
    if summary.get("supervised"):
        found.append("SUPERVISED: sources or columns that the objective sees determine the labels")
    if "retrieval_chance" in summary:
        alone = "" if "retrieval" in summary else ", so it is left out"
        found.append(f"a source is found by chance: {summary['retrieval_chance']:.3g} %{alone}")
    return [*found, *summary.get("cautions", ())]


def left_out(summary: Mapping[str, Any], run: str) -> str:
    """Which probes the time did not suffice for, and how to have them; empty where there are none.

    Args:
        summary: of a run.
        run: its folder, as it is typed.
    """
    names = summary.get("probes_left_out", ())
    if not names:
        return ""
    said = f"Left out, as the time for probes was up (probe.budget): {'; '.join(names)}."
    return f"{said} Probes of labels and sources are computed by: ssl-pipeline evaluate run={run}"


def _list(names: Sequence[str], word: str = "and") -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"


def _cell(summary: Mapping[str, Any], key: str, suffix: str) -> str:
    std = summary.get(f"{key}_std{suffix}")
    return decimal(summary.get(key + suffix)) + ("" if std is None else f" ± {std:.1f}")


def _of_majority(summary: Mapping[str, Any], key: str) -> str:
    of = {"knn": "majority", "linear": "majority"} | dict.fromkeys(BALANCED_TITLES, "majority_balanced")
    return decimal(summary.get(of.get(key, "")))


def decimal(value: float | None) -> str:
    """With one decimal, as tables show it; nothing where there is none."""
    return "" if value is None else f"{value:.1f}"
