"""What a run measures of its graphs: probes, their baselines, restoration."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch

from ssl_pipeline.datasets import Data, Stream
from ssl_pipeline.evaluation import P1, agreement, prompted, rankme, restoration, spread
from ssl_pipeline.evaluation.protocol import embedder
from ssl_pipeline.evaluation.untrained import untrained
from ssl_pipeline.graph import Graph

ONLINE = {"train_limit": 4000, "test_limit": 2000, "few": 0}
"""What differs from the protocol on the way."""


def evaluate(
    graph: Graph, data: Data, protocol: P1, probe: Mapping[str, Any], make: Callable[[], Graph]
) -> dict[str, Any]:
    """Probes, baselines and restoration at the end of a run.

    Args:
        graph: the trained graph.
        data: what it was trained on.
        protocol: how to probe.
        probe: the configuration of the probes.
        make: makes the graph with the weights that its seed gives.
    """
    began = time.perf_counter()
    features = protocol.features(embedder(graph), data)
    held_out = features.train if features.test is None else features.test
    result: dict[str, Any] = protocol.score(features) | {"rankme": rankme(held_out.z), "std": spread(held_out.z)}
    if {"knn", "retrieval"} & set(result) and probe["baselines"]:
        for name, scores in _baselines(graph, data, protocol, make).items():
            result |= _suffixed(scores, name)
    if graph.teacher is not None:
        result |= _suffixed(protocol.score(protocol.features(embedder(graph, teacher=True), data)), "teacher")
    if supervised(graph, data):
        result["supervised"] = True
    unseen = data.train if data.test is None else data.test
    result |= restoration(graph, unseen)
    if views := prompted(graph):
        result |= agreement(graph, unseen, views).summary()
    return result | {"protocol": protocol.name, "probe_seconds": round(time.perf_counter() - began, 1)}


def online(
    graph: Graph, data: Data, protocol: P1, probe: Mapping[str, Any], make: Callable[[], Graph]
) -> tuple[Callable[[], dict[str, float]], Callable[[], dict[str, dict[str, float]]]]:
    """Scores on the way and their baselines, both on a part of the data; arguments as in ``evaluate``."""
    small = replace(protocol, **ONLINE)

    def beside() -> dict[str, dict[str, float]]:
        return _baselines(graph, data, small, make) if probe["baselines"] else {}

    return lambda: small.score(small.features(embedder(graph), data)), beside


def supervised(graph: Graph, data: Data) -> bool:
    """Whether the objective compares sources, several samples share one, and a sample's source tells its label."""
    if isinstance(data.train, Stream) or data.train.labels is None:
        return False
    if not any(getattr(term, "by_source", False) for term in graph.objective.terms.values()):
        return False
    sources = data.train.sources
    kinds = torch.stack([sources, data.train.labels], dim=1).unique(dim=0)
    return len(kinds) == len(sources.unique()) < len(sources)


def _suffixed(scores: Mapping[str, float], name: str) -> dict[str, float]:
    """Scores of something beside the encoder; chance is the same for all."""
    return {f"{key}_{name}": value for key, value in scores.items() if key != "retrieval_chance"}


def _baselines(graph: Graph, data: Data, protocol: P1, make: Callable[[], Graph]) -> dict[str, dict[str, float]]:
    twin = untrained(make, data, next(graph.parameters()).device)
    return {"raw": protocol.raw(data), "untrained": protocol.score(protocol.features(embedder(twin), data))}
