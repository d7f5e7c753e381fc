"""The rows of a table of probes: the encoder, and what it is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial

from ssl_pipeline.data import Data
from ssl_pipeline.evaluation import P1, Features
from ssl_pipeline.evaluation.baselines import Twin, cached, key_of_raw, key_of_twin
from ssl_pipeline.evaluation.frozen_features import embedder
from ssl_pipeline.evaluation.untrained import untrained
from ssl_pipeline.graph.graph import Graph


class ProbeRow:
    """Measures of one encoder, whose features are taken when a measure first needs them.

    Args:
        name: suffix of its scores; of the encoder itself none.
        embed: gives the features.
        key: gives what its scores are kept under for other runs, see ``kept``.
    """

    def __init__(self, name: str, embed: Callable[[], Features], key: Callable[[], str | None] = lambda: None) -> None:
        self.name, self._features, self._key = name, cache(embed), cache(key)

    def measure(self, protocol: P1, name: str) -> dict[str, float]:
        """One of the protocol's measures."""
        key = self._key()
        return cached(key and f"{key}-{name}", lambda: protocol.measure(name, self._features()))

    def score(self, protocol: P1, names: Iterable[str]) -> dict[str, float]:
        """Some of them together."""
        return {key: value for name in names for key, value in self.measure(protocol, name).items()}


def baseline_rows(graph: Graph, data: Data, protocol: P1, twin: Twin | None, seen: Features) -> Iterator[ProbeRow]:
    """Rows of the raw input and, where it is known, of the untrained graph; their scores are kept.

    Args:
        graph: the trained one.
        data: that is probed.
        protocol: of the probes.
        twin: see ``score_graph``.
        seen: features of any encoder, which know what the samples are.
    """
    raw = cache(partial(key_of_raw, data, protocol, seen))
    yield ProbeRow("raw", lambda: protocol.raw_features(data), raw)
    if twin is not None:
        device, made = next(graph.parameters()).device, cache(twin.make)

        def embed() -> Features:
            return protocol.features(embedder(untrained(made, data, device)), data)

        yield ProbeRow("untrained", embed, lambda: key_of_twin(made(), twin, data, device, raw()))
