"""What a run measures of its graphs: probes, their baselines, restoration."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch

from ssl_pipeline.data import Data, Stream
from ssl_pipeline.evaluation import (
    P1,
    cross_modal_retrieval,
    output_agreement,
    prompted,
    rankme,
    relations,
    restoration,
    rollout_scores,
    spread,
)
from ssl_pipeline.evaluation.protocol import embedder
from ssl_pipeline.evaluation.untrained import untrained
from ssl_pipeline.graph.graph import Graph

_ONLINE = {"train_limit": 4000, "test_limit": 2000, "few_shot": 0, "backgrounds": False}
"""What differs from the protocol on the way."""


def score_graph(
    graph: Graph, data: Data, protocol: P1, make: Callable[[], Graph] | None, baselines: bool = True
) -> dict[str, Any]:
    """Probes, baselines and restoration at the end of a run.

    Args:
        graph: the trained graph.
        data: what it was trained on.
        protocol: how to probe.
        make: makes the graph with the weights that its seed gives; None where they are not known.
        baselines: whether the raw input and the untrained graph are probed, too.
    """
    began = time.perf_counter()
    features = protocol.features(embedder(graph), data)
    unseen = features.train if features.test is None else features.test
    result: dict[str, Any] = protocol.score(features) | {"rankme": rankme(unseen.z), "std": spread(unseen.z)}
    if {"knn", "retrieval"} & set(result) and baselines:
        for name, scores in _baselines(graph, data, protocol, make).items():
            result |= _suffixed(scores, name)
    if graph.teacher is not None:
        result |= _suffixed(protocol.score(protocol.features(embedder(graph, teacher=True), data)), "teacher")
    if supervised(graph, data):
        result["supervised"] = True
    held_out = data.train if data.test is None else data.test
    result |= restoration(graph, held_out) | relations(graph, held_out) | cross_modal_retrieval(graph, held_out)
    result |= rollout_scores(graph, held_out)
    if views := prompted(graph):
        result |= output_agreement(graph, held_out, views).summary()
    return result | {"protocol": protocol.name, "probe_seconds": round(time.perf_counter() - began, 1)}


def online_scores(
    graph: Graph, data: Data, protocol: P1, make: Callable[[], Graph] | None, baselines: bool = True
) -> tuple[Callable[[], dict[str, float]], Callable[[], dict[str, dict[str, float]]]]:
    """Scores on the way and their baselines, both on a part of the data; arguments as in ``score_graph``."""
    small = replace(protocol, **_ONLINE)

    def base_scores() -> dict[str, dict[str, float]]:
        return _baselines(graph, data, small, make) if baselines else {}

    return lambda: small.score(small.features(embedder(graph), data)), base_scores


def supervised(graph: Graph, data: Data) -> bool:
    """Whether the objective sees what tells a sample's label: the source that it shares with others, or a column."""
    if isinstance(data.train, Stream) or data.train.labels is None:
        return False
    if any(_tells_labels(data, name) for name in graph.columns):
        return True
    if not any(getattr(term, "by_source", False) for term in graph.objective.terms.values()):
        return False
    sources = data.train.sources
    kinds = torch.stack([sources, data.train.labels], dim=1).unique(dim=0)
    return len(kinds) == len(sources.unique()) < len(sources)


def _tells_labels(data: Data, column: str, samples: int = 2000) -> bool:
    """Whether samples share values of a column, and samples of one value always share their label."""
    assert not isinstance(data.train, Stream)
    some = torch.linspace(0, len(data.train) - 1, min(samples, len(data.train))).long()
    batch = data.train[some]
    if batch.label is None:
        return False
    value = batch.columns[column].x.flatten(1).unique(dim=0, return_inverse=True)[1]
    pairs = torch.stack([value, batch.label], dim=1).unique(dim=0)
    return 1 < len(pairs) == len(value.unique()) < len(value)


def _suffixed(scores: Mapping[str, float], name: str) -> dict[str, float]:
    """Scores of something else than the encoder; what is the same for all is left out."""
    return {f"{key}_{name}": value for key, value in scores.items() if key not in ("retrieval_chance", "swapped")}


def _baselines(graph: Graph, data: Data, protocol: P1, make: Callable[[], Graph] | None) -> dict[str, dict[str, float]]:
    found = {"raw": protocol.raw(data)}
    if make is not None:
        twin = untrained(make, data, next(graph.parameters()).device)
        found["untrained"] = protocol.score(protocol.features(embedder(twin), data))
    return found
