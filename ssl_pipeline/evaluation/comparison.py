"""Encoders next to their baselines, over one run or several."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from ssl_pipeline.evaluation.benchmark import Score, joined, measure, probed
from ssl_pipeline.evaluation.corrupted import P2
from ssl_pipeline.evaluation.fine_tuning import Tuning
from ssl_pipeline.evaluation.protocol import P1
from ssl_pipeline.evaluation.restored import P3
from ssl_pipeline.evaluation.subjects import ENCODER, MAJORITY, RAW, UNTRAINED, Subjects


class Measures(NamedTuple):
    """What is measured of each encoder, see ``measure``."""

    protocol: P1
    few_shot: Sequence[float]
    attention: Tuning | None
    tuning: Tuning | None
    seeds: int


class Comparison(NamedTuple):
    """Scores by row and name; what was left out, with the reason, of which rows; sentences about rows that are not."""

    rows: dict[str, dict[str, Score]]
    left_out: dict[tuple[str, str], list[str]]
    notes: tuple[str, ...] = ()


def measures(
    few_shot: Sequence[float],
    attentive: int,
    finetune: int,
    seeds: int,
    limit: int,
    corrupted: int = P2.samples,
    restored: int = P3.samples,
) -> Measures:
    """What is asked for.

    Args:
        few_shot: shares of the labels, of further linear probes.
        attentive: epochs of an attentive probe; 0 for none.
        finetune: epochs of fine-tuning; 0 for none.
        seeds: draws of few labels, and trained heads.
        limit: labelled samples.
        corrupted: test samples that are asked about corrupted; 0 for none.
        restored: test samples that are corrupted and restored; 0 for none, and nothing that tells what happened is
            fitted.

    Raises:
        ValueError: a share or a number that cannot be.
    """
    if any(not 0 < share < 1 for share in few_shot):
        shares = ",".join(f"{share:g}" for share in few_shot)
        raise ValueError(f"few_shot={shares}: expected shares above 0 and below 1, such as 0.01,0.1")
    if min(attentive, finetune, corrupted, restored) < 0 or seeds < 1 or limit < 1:
        raise ValueError(
            "expected attentive, finetune, corrupted and restored of at least 0, seeds and limit of at least 1"
        )
    protocol = P1() if limit == P1.train_limit else P1(train_limit=limit, name=f"P1 with {limit:,} labels")
    asked, mended = P2(samples=corrupted) if corrupted else None, P3(samples=restored) if restored else None
    recognition = protocol.recognition if restored else None
    protocol = replace(protocol, corrupted=asked, restored=mended, recognition=recognition)
    attention, tuning = (Tuning(epochs, limit=limit) if epochs else None for epochs in (attentive, finetune))
    return Measures(protocol, few_shot, attention, tuning, seeds)


def compare_encoders(runs: Iterable[Subjects], how: Measures, baselines: bool = True) -> Comparison:
    """Measure all encoders of all runs; of several runs there are mean and deviation.

    Args:
        runs: on the same data.
        how: what is measured.
        baselines: whether the untrained twin and the raw input are measured, too.
    """
    found: dict[str, list[dict[str, Score]]] = {}
    left_out: dict[tuple[str, str], list[str]] = {}
    data, notes = None, []
    for subjects in runs:
        data = subjects.data
        notes += [] if subjects.note is None or not baselines else [subjects.note]
        for row, subject in subjects.each():
            if baselines or row != UNTRAINED:
                subject.to(subjects.device).eval()
                measured = measure(subject, data, *how)
                found.setdefault(row, []).append(measured.scores | (_restored(subjects, how) if row == ENCODER else {}))
                notes += measured.cautions
                for what in measured.left_out.items():
                    rows = left_out.setdefault(what, [])
                    rows.extend([] if row in rows else [row])
        _fit_recognizer(subjects, how)
    scores = {row: _joined(some) for row, some in found.items()}
    if data is not None and baselines and "linear" in scores[ENCODER]:
        scores[RAW] = probed(how.protocol.raw_features(data), how.protocol, how.few_shot, how.seeds)
    majority = _majority(scores)
    if baselines and majority:
        scores[MAJORITY] = majority
    return Comparison(scores, left_out, tuple(dict.fromkeys(notes)))


def _restored(subjects: Subjects, how: Measures) -> dict[str, Score]:
    """What a graph with a decoder to the clean form makes of corrupted samples."""
    graph, protocol, data = subjects.restorer, how.protocol.restored, subjects.data
    if graph is None or protocol is None or not protocol.families_of(data.grid):
        return {}
    note = f"P3, {protocol.samples:,} test samples at most"
    scores = protocol.score(graph, data.held_out)
    return {name: Score(value, None, 1, note) for name, value in scores.items()}


def _fit_recognizer(subjects: Subjects, how: Measures) -> None:
    """What tells what happened to samples, for whoever keeps it."""
    graph, protocol, data = subjects.restorer, how.protocol.recognition, subjects.data
    if subjects.keep is not None and graph is not None and protocol is not None and protocol.families_of(data.grid):
        subjects.keep(protocol.fit(graph.eval(), data))


def _joined(scores: Sequence[dict[str, Score]]) -> dict[str, Score]:
    """Of several runs what was measured of each."""
    names = [name for name in scores[0] if all(name in some for some in scores)]
    return {name: joined([some[name] for some in scores]) for name in names}


def _majority(rows: dict[str, dict[str, Score]]) -> dict[str, Score]:
    """What always naming one class gives, taken out of the rows, in each of which it stands."""
    found: dict[str, Score] = {}
    for row in rows.values():
        for name, of in (("majority", ("knn", "linear")), ("majority_balanced", ("knn_balanced", "linear_balanced"))):
            if (score := row.pop(name, None)) is not None:
                found |= dict.fromkeys(of, score)
    return found
