"""What a run measures of its graphs: probes with their baselines, restoration, edges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ssl_pipeline.data import Data
from ssl_pipeline.evaluation import (
    P1,
    Features,
    cross_modal_retrieval,
    output_agreement,
    prompted,
    rankme,
    relations,
    restoration,
    rollout_scores,
    spread,
)
from ssl_pipeline.evaluation.baselines import Twin
from ssl_pipeline.evaluation.corrupted import seen_families
from ssl_pipeline.evaluation.families import by_form
from ssl_pipeline.evaluation.frozen_features import cautions, embedder
from ssl_pipeline.evaluation.supervision import supervised
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.inference.learned import views_leading_to
from ssl_pipeline.inference.recognizer import Recognizer
from ssl_pipeline.objectives import CrossModal
from ssl_pipeline.report.probe_table import LABELS, MEASURE_TITLES
from ssl_pipeline.training.probe_rows import ProbeRow, baseline_rows
from ssl_pipeline.training.probe_time import ProbeTime

_ONLINE = {"train_limit": 4000, "test_limit": 2000, "few_shot": 0, "backgrounds": False, "corrupted": None}
"""What differs from the protocol on the way."""

_SHARED = ("retrieval_chance", "swapped", "majority", "majority_balanced", "tested", "corrupted_tested")
"""Scores that are the same for all rows of a table."""


def score_graph(
    graph: Graph,
    data: Data,
    protocol: P1,
    twin: Twin | None,
    baselines: bool,
    time: ProbeTime,
    keep: Callable[[Recognizer], None] = lambda recognizer: None,
) -> dict[str, Any]:
    """Probes, baselines and restoration at the end of a run.

    Each measure is taken of the encoder and at once of what it is compared with, the cheap ones that tell most first.

    Args:
        graph: the trained graph.
        data: what it was trained on.
        protocol: how to probe.
        twin: the graph with the weights that its seed gives; None where they are not known.
        baselines: whether the raw input and the untrained graph are probed, too.
        time: takes the probes, and knows which it left out.
        keep: takes what reads off the latent what happened to a sample.
    """
    result: dict[str, Any] = {"protocol": protocol.name}
    own = time("embeddings", lambda: protocol.features(embedder(graph), data))
    if own is not None:
        unseen = own.train if own.test is None else own.test
        result |= {"rankme": rankme(unseen.z), "std": spread(unseen.z)}
        if found := cautions(own, data.classes):
            result["cautions"] = found
        measures = protocol.measures(own)
        asked = [some.families_of(data.grid) for some in (protocol.corrupted, protocol.restored) if some is not None]
        if families := sorted({name for some in asked for name in some}):
            result["corrupted_seen"] = seen_families(graph.corruptions, families)
        rows = _rows(graph, data, protocol, own, twin, baselines) if measures else []
        result |= _measured(time, protocol, rows, measures[:1])
        result |= _edges(time, graph, data) | _restored(time, graph, data, protocol, keep)
        result |= _measured(time, protocol, rows, measures[1:])
    if supervised(graph, data):
        result["supervised"] = True
    if time.left_out:
        result["probes_left_out"] = time.left_out
    return result | {"probe_seconds": round(time.taken, 1)}


def _rows(graph: Graph, data: Data, protocol: P1, own: Features, twin: Twin | None, baselines: bool) -> list[ProbeRow]:
    """The encoder, its baselines and its teacher."""
    rows = [ProbeRow("", lambda: own)]
    if baselines:
        rows += baseline_rows(graph, data, protocol, twin, own)
    if graph.teacher is not None:
        rows.append(ProbeRow("teacher", lambda: protocol.features(embedder(graph, teacher=True), data)))
    return rows


def _measured(time: ProbeTime, protocol: P1, rows: Sequence[ProbeRow], measures: Iterable[str]) -> dict[str, Any]:
    """One measure after the other, each of all rows; of the first row alone where it tells nothing of an encoder."""
    titles, result = {suffix.removeprefix("_"): label for label, suffix in LABELS}, {}
    for measure in measures:
        with time.together(MEASURE_TITLES[measure]):
            for row in rows:
                found = time(titles[row.name], partial(row.measure, protocol, measure))
                result |= _suffixed(by_form(found or {}, "corrupted"), row.name)
                if found is not None and not found.keys() - {*_SHARED}:
                    break
    return result


def _edges(time: ProbeTime, graph: Graph, data: Data) -> dict[str, float]:
    """What decoders and edges give on held-out samples."""
    held_out, result = data.held_out, dict[str, float]()
    if views_leading_to(graph):
        result |= time("restoration", lambda: restoration(graph, held_out)) or {}
    if graph.columns or any(isinstance(term, CrossModal) for term in graph.objective.terms.values()):
        result |= time("edges", lambda: relations(graph, held_out) | cross_modal_retrieval(graph, held_out)) or {}
        result |= time("rollouts", lambda: rollout_scores(graph, held_out)) or {}
    if views := prompted(graph):
        result |= time("agreement", lambda: output_agreement(graph, held_out, views).summary()) or {}
    return result


def _restored(
    time: ProbeTime, graph: Graph, data: Data, protocol: P1, keep: Callable[[Recognizer], None]
) -> dict[str, Any]:
    """What a graph that leads to the clean form makes of each corruption, and what its latent tells of it."""
    mends, reads, result = protocol.restored, protocol.recognition, {}
    if not views_leading_to(graph):
        return result
    if mends is not None and mends.families_of(data.grid):
        result |= by_form(time("restored corruptions", lambda: mends.score(graph, data.held_out)) or {}, "restored")
    if reads is None or not reads.families_of(data.grid):
        return result

    def recognised() -> dict[str, float]:
        recognizer = reads.fit(graph, data)
        keep(recognizer)
        return reads.score(recognizer, graph, data)

    return result | by_form(time("recognised corruptions", recognised) or {}, "recognition")


def online_scores(
    graph: Graph, data: Data, protocol: P1, twin: Twin | None, baselines: bool = True
) -> tuple[Callable[[], dict[str, float]], Callable[[], dict[str, dict[str, float]]]]:
    """Scores on the way and their baselines, both on a part of the data; arguments as in ``score_graph``."""
    small = replace(protocol, **_ONLINE)

    def base_scores() -> dict[str, dict[str, float]]:
        if not baselines:
            return {}
        raw = small.raw_features(data)
        rows = baseline_rows(graph, data, small, twin, raw)
        return {row.name: row.score(small, small.measures(raw)) for row in rows}

    def scores() -> dict[str, float]:
        found = small.score(small.features(embedder(graph), data))
        return {name: value for name, value in found.items() if name not in _SHARED}

    return scores, base_scores


def _suffixed(scores: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Scores of a row; what is the same for all belongs to the encoder's."""
    if not name:
        return dict(scores)
    return {f"{key}_{name}": value for key, value in scores.items() if key not in _SHARED}
