"""Protocol P1: one way to measure, for every table of the project."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.data import Data, Dataset, Stream, Subset, sequential_batches
from ssl_pipeline.evaluation.backgrounds import gaps, variants
from ssl_pipeline.evaluation.probes import Labelled, OneScale, Scaler, accuracy, few_label, logistic, nearest_neighbours
from ssl_pipeline.evaluation.retrieval import retrieval
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.inference.inference import Inference
from ssl_pipeline.structures.batch import Batch, as_float
from ssl_pipeline.structures.random import generator

Embed = Callable[[Batch], Tensor]
"""A batch of raw samples to (B, D)."""
_TELLING = 50
"""Percent: a source that chance finds as often as that tells nothing of an encoder when it is found."""


class Sampled(NamedTuple):
    """Features of some samples."""

    z: np.ndarray  # (N, D) float32
    label: np.ndarray | None  # (N,), -1 where it is not known
    source: np.ndarray  # (N,)

    @property
    def labelled(self) -> Sampled | None:
        """Those whose label is known; None where none is."""
        if self.label is None or not (known := self.label >= 0).any():
            return None
        return self if known.all() else Sampled(self.z[known], self.label[known], self.source[known])


class Features(NamedTuple):
    """What probes see of a data set."""

    train: Sampled
    test: Sampled | None
    scaler: Scaler = StandardScaler  # before a linear probe
    variants: Mapping[str, Sampled] = {}  # of the test images, on other backgrounds


@register("protocol", "p1")
@dataclass(frozen=True)
class P1:
    """Labels of the first training samples, the full test set, kNN and logistic regression, also of the raw input.

    Where sources have several samples in the test set, retrieval of the same source too. Where the foreground of images
    is known, kNN and logistic regression also see them on other backgrounds (``evaluation.backgrounds``).

    Args:
        train_limit: training samples that are used, the first ones.
        test_limit: test samples that are used; None for all.
        k: neighbours.
        width: embeddings wider than this are reduced by PCA; the components keep their proportions.
        few_shot: labels a class of the few-label probe; 0 leaves it out.
        draws: draws of the few-label probe.
        across_labels: a source is retrieved among samples of other labels only.
        backgrounds: ask about other backgrounds where the data know the foreground.

    Raises:
        ValueError: a number below its least.
    """

    train_limit: int = 20_000
    test_limit: int | None = None
    k: int = 20
    width: int = 512
    few_shot: int = 5
    draws: int = 20
    across_labels: bool = False
    backgrounds: bool = True
    name: str = "P1"

    def __post_init__(self) -> None:
        least = {"train_limit": 1, "test_limit": 1, "k": 1, "width": 1, "few_shot": 0, "draws": 1}
        for name, lowest in least.items():
            if (value := getattr(self, name)) is not None and value < lowest:
                raise ValueError(f"probe.protocol.{name}={value}: expected at least {lowest}")

    def raw(self, data: Data) -> dict[str, float]:
        """Scores of the raw input, or of the fixed features that stand for it."""
        return self.score(self.raw_features(data))

    def raw_features(self, data: Data) -> Features:
        """The raw input as it is, or the fixed features that stand for it."""
        if data.baseline is not None:
            return self.features(data.baseline, data)
        raw = self._features(lambda b: as_float(b.x, data.grid).flatten(1).float(), data)
        return raw._replace(scaler=FunctionTransformer)  # which does nothing

    def features(self, embed: Embed, data: Data) -> Features:
        """Embeddings of the samples that the protocol names, at most ``width`` numbers each."""
        return self._features(embed, data, reduce=True)

    def score(self, f: Features) -> dict[str, float]:
        """In percent: accuracies where a test set has labels of two classes, retrieval where sources repeat.

        Where chance finds most of the sources, it stands there alone. ``swapped`` is how many images were seen on other
        backgrounds.
        """
        if f.test is None:
            return {}
        scores: dict[str, float] = {}
        if (pair := labelled(f)) is not None:
            train, test = pair
            forms = {form: _labelled(some) for form, some in f.variants.items() if some.labelled is not None}
            for name, probe in (("knn", nearest_neighbours(train, self.k)), ("linear", logistic(train, f.scaler))):
                scores[name] = accuracy(probe, test)
                if forms:
                    scores |= {f"{name}/{form}": accuracy(probe, shown) for form, shown in forms.items()}
                    scores |= gaps(scores, name)
            if forms:
                scores["swapped"] = len(f.variants["original"].z)
            if self.few_shot:
                mean, std = few_label(train, test, per_class=self.few_shot, draws=self.draws, scaler=f.scaler)
                scores |= {"few_shot": mean, "few_shot_std": std}
        asked = f.test.labelled if self.across_labels else f.test
        if asked is None:
            raise ValueError("probe.protocol.across_labels=true needs labels in the test set, and there are none")
        found = retrieval(asked.z, asked.source, asked.label if self.across_labels else None)
        chance = found.get("retrieval_chance", 0)
        return scores | (found if chance < _TELLING else {"retrieval_chance": chance})

    def _features(self, embed: Embed, data: Data, reduce: bool = False) -> Features:
        train = features(embed, data.known, self.train_limit)
        test = None if data.test is None else features(embed, data.test, self.test_limit)
        forms = variants(data, self.test_limit) if self.backgrounds else {}
        varied = {name: features(embed, images) for name, images in forms.items()}
        if reduce and train.z.shape[1] > self.width:
            pca = PCA(min(self.width, *train.z.shape), svd_solver="randomized", random_state=0).fit(train.z)
            train = train._replace(z=pca.transform(train.z))
            test = None if test is None else test._replace(z=pca.transform(test.z))
            varied = {name: form._replace(z=pca.transform(form.z)) for name, form in varied.items()}
            return Features(train, test, OneScale, varied)
        return Features(train, test, variants=varied)


def labelled(f: Features) -> tuple[Labelled, Labelled] | None:
    """What a probe learns from and what it is tested on; None where there are no labels that it could learn."""
    if f.test is None or f.train.labelled is None or f.test.labelled is None:
        return None
    train, test = _labelled(f.train), _labelled(f.test)
    return (train, test) if _learnable(train[1], test[1]) else None


def _labelled(some: Sampled) -> Labelled:
    known = some.labelled
    assert known is not None and known.label is not None
    return known.z, known.label


def _learnable(train: np.ndarray, test: np.ndarray) -> bool:
    """Whether training shows two labels, and some of those that are asked for."""
    known = set(train.tolist())
    return len(known) > 1 and not known.isdisjoint(test.tolist())


def features(embed: Embed, dataset: Dataset | Stream, limit: int | None = None, batch_size: int = 500) -> Sampled:
    """Features, labels and sources of the first samples of a data set.

    Args:
        embed: a batch to (B, D).
        dataset: any data set or stream.
        limit: number of samples; None for all.
        batch_size: samples in a call of ``embed``.
    """
    rows, labels, sources = [], [], []
    with torch.inference_mode():
        for batch in sequential_batches(first_samples(dataset, limit), batch_size, limit):
            rows.append(embed(batch).float().cpu())
            labels.append(batch.label)
            sources.append(batch.source)
    label = None if any(part is None for part in labels) else torch.cat(labels).numpy()
    return Sampled(torch.cat(rows).numpy(), label, torch.cat(sources).numpy())


def first_samples(dataset: Dataset | Stream, limit: int | None) -> Dataset | Stream:
    """The first samples; of a set stored class by class, in whose beginning a class is missing, random ones."""
    if isinstance(dataset, Stream) or limit is None or limit >= len(dataset):
        return dataset
    rows, labels = torch.arange(limit), dataset.labels
    if labels is not None and len(labels[:limit].unique()) < len(labels.unique()):
        rows = torch.randperm(len(dataset), generator=generator("cpu", "probe"))[:limit].sort().values
    return Subset(dataset, rows)


def labelled_samples(dataset: Dataset | Stream) -> Dataset:
    """The samples of a labelled set whose label is known."""
    assert isinstance(dataset, Dataset) and dataset.labels is not None
    return Subset(dataset, (dataset.labels >= 0).nonzero().flatten())


def embedder(graph: Graph, teacher: bool = False) -> Embed:
    """``Inference.embed`` in evaluation mode, on the graph's device; the graph is left in that mode."""
    inference, device = Inference(graph.eval(), teacher), next(graph.parameters()).device

    def embed(batch: Batch) -> Tensor:
        batch = batch.on(device)
        return inference.embed(batch.x, batch.valid)

    return embed
