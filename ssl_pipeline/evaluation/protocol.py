"""Protocol P1: one way to measure, for every table of the project."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from ssl_pipeline.datasets import Data, Dataset, Stream, Subset, sequential_batches
from ssl_pipeline.evaluation.probes import Labelled, few_label, knn, linear
from ssl_pipeline.graph import Graph
from ssl_pipeline.records import Batch, as_float
from ssl_pipeline.seeding import generator


class Features(NamedTuple):
    """What probes see of a data set."""

    train: np.ndarray  # (N, D) float32
    train_labels: np.ndarray | None  # (N,)
    test: np.ndarray | None
    test_labels: np.ndarray | None


@dataclass(frozen=True)
class P1:
    """Labels of the first training samples, the full test set, kNN and logistic regression, raw input beside.

    Args:
        train_limit: training samples that are used, the first ones.
        test_limit: test samples that are used; None for all.
        k: neighbours.
        width: embeddings wider than this are reduced by PCA.
        few: labels a class of the few-label probe; 0 leaves it out.
        draws: draws of the few-label probe.
    """

    train_limit: int = 20_000
    test_limit: int | None = None
    k: int = 20
    width: int = 512
    few: int = 5
    draws: int = 20
    name: str = "P1"

    def raw(self, data: Data) -> dict[str, float]:
        """Scores of the raw input."""
        return self.score(self._features(lambda x: as_float(x, data.grid).flatten(1).float(), data), raw=True)

    def features(self, embed: Callable[[Tensor], Tensor], data: Data) -> Features:
        """Embeddings of the samples that the protocol names, at most ``width`` numbers each."""
        return self._features(embed, data, reduce=True)

    def score(self, f: Features, *, raw: bool = False) -> dict[str, float]:
        """Accuracies in percent; empty without labels of two classes, or without a test set of them."""
        if f.train_labels is None or f.test is None or f.test_labels is None or len(set(f.train_labels.tolist())) < 2:
            return {}
        train: Labelled = (f.train, f.train_labels)
        test: Labelled = (f.test, f.test_labels)
        scores = {"knn": knn(train, test, self.k), "linear": linear(train, test, standardise=not raw)}
        if self.few:
            mean, std = few_label(train, test, per_class=self.few, draws=self.draws, standardise=not raw)
            scores |= {"few": mean, "few_std": std}
        return scores

    def _features(self, embed: Callable[[Tensor], Tensor], data: Data, reduce: bool = False) -> Features:
        train, train_labels = features(embed, data.train, self.train_limit)
        test, test_labels = (None, None) if data.test is None else features(embed, data.test, self.test_limit)
        if reduce and train.shape[1] > self.width:
            pca = PCA(min(self.width, *train.shape), svd_solver="randomized", random_state=0).fit(train)
            train, test = pca.transform(train), None if test is None else pca.transform(test)
        return Features(train, train_labels, test, test_labels)


def features(
    embed: Callable[[Tensor], Tensor], dataset: Dataset | Stream, limit: int | None = None, batch_size: int = 500
) -> tuple[np.ndarray, np.ndarray | None]:
    """Features (N, D) and labels (N,) of the first samples of a data set.

    Args:
        embed: (B, ...) raw samples to (B, D).
        dataset: any data set or stream.
        limit: number of samples; None for all.
        batch_size: samples in a call of ``embed``.
    """
    rows, labels = [], []
    with torch.inference_mode():
        for batch in _batches(dataset, limit, batch_size):
            rows.append(embed(batch.x).float().cpu())
            labels.append(batch.label)
    label = None if any(part is None for part in labels) else torch.cat(labels).numpy()
    return torch.cat(rows).numpy(), None if label is None or label.min() < 0 else label


def _batches(dataset: Dataset | Stream, limit: int | None, batch_size: int) -> Iterator[Batch]:
    """The first samples; of a set stored class by class, in whose beginning a class is missing, random ones."""
    labels = None if isinstance(dataset, Stream) else dataset.labels
    if not isinstance(dataset, Stream) and labels is not None and len(labels[:limit].unique()) < len(labels.unique()):
        order = torch.randperm(len(dataset), generator=generator("cpu", "probe"))
        dataset = Subset(dataset, order[:limit].sort().values)
    return sequential_batches(dataset, batch_size, limit)


def embedder(graph: Graph) -> Callable[[Tensor], Tensor]:
    """``graph.embed`` in evaluation mode, on the graph's device; the graph is left in that mode."""
    device = next(graph.eval().parameters()).device
    return lambda x: graph.embed(x.to(device))
