"""Whether an objective sees what tells the labels that probes ask for."""

from __future__ import annotations

import torch

from ssl_pipeline.data import Data, Stream
from ssl_pipeline.graph.graph import Graph


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
