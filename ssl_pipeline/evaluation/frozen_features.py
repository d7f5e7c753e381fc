"""What probes see of a data set: frozen features of its samples, and which of these have a label that can be asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from ssl_pipeline.data import Dataset, Stream, Subset, sequential_batches
from ssl_pipeline.evaluation.probes import Classifier, Labelled, Scaler
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.inference.inference import Inference
from ssl_pipeline.structures.batch import Batch
from ssl_pipeline.structures.random import generator

Embed = Callable[[Batch], Tensor]
"""A batch of raw samples to (B, D)."""


class Sampled(NamedTuple):
    """Features of some samples."""

    z: np.ndarray  # (N, D) float32
    label: np.ndarray | None  # (N,), below 0 where it is missing
    source: np.ndarray  # (N,)
    digest: np.ndarray | None = None  # (N,) uint64 of the samples themselves: equal ones have the same


class Forms(NamedTuple):
    """Features of the same samples, clean and corrupted."""

    z: Mapping[str, np.ndarray]  # (N, D) by form: ``clean``, ``FAMILY/SEVERITY``, or ``FAMILY`` without severities
    label: np.ndarray | None  # (N,), below 0 where it is missing
    digest: np.ndarray  # (N,) of the clean samples: equal ones have the same


@dataclass(frozen=True)
class Features:
    """What probes see of a data set."""

    train: Sampled
    test: Sampled | None
    scaler: Scaler = StandardScaler  # before a linear probe
    variants: Mapping[str, Sampled] = field(default_factory=dict)  # of the test images, on other backgrounds
    forms: Callable[[], Forms] | None = None  # gives those of test samples, clean and corrupted
    fitted: dict[str, Classifier] = field(default_factory=dict, compare=False)  # probes, each fitted once


def features(embed: Embed, dataset: Dataset | Stream, limit: int | None = None, batch_size: int = 500) -> Sampled:
    """Features, labels and sources of the first samples of a data set.

    Args:
        embed: a batch to (B, D).
        dataset: any data set or stream.
        limit: number of samples; None for all.
        batch_size: samples in a call of ``embed``.
    """
    rows, labels, sources, found = [], [], [], []
    with torch.inference_mode():
        for batch in sequential_batches(first_samples(dataset, limit), batch_size, limit):
            rows.append(embed(batch).float().cpu())
            labels.append(batch.label)
            sources.append(batch.source)
            found.append(digests(batch.x))
    label = None if any(part is None for part in labels) else torch.cat(labels).numpy()
    return Sampled(torch.cat(rows).numpy(), label, torch.cat(sources).numpy(), np.concatenate(found))


def digests(x: Tensor) -> np.ndarray:
    """64 bits (B,) of each sample (B, ...), the same for equal samples.

    >>> a, b, c = digests(torch.tensor([[1.0, 2.0], [1.0, 2.0], [2.0, 1.0]]))
    >>> bool(a == b), bool(a == c)
    (True, False)
    """
    rows = x.cpu().reshape(len(x), -1).contiguous().numpy()
    return np.array([int.from_bytes(blake2b(row, digest_size=8).digest(), "little") for row in rows], dtype=np.uint64)


def first_samples(dataset: Dataset | Stream, limit: int | None) -> Dataset | Stream:
    """The first samples; of a set stored class by class, in whose beginning a class is missing, random ones."""
    if isinstance(dataset, Stream) or limit is None or limit >= len(dataset):
        return dataset
    rows, labels = torch.arange(limit), dataset.labels
    if labels is not None and len(labels[:limit].unique()) < len(labels.unique()):
        rows = torch.randperm(len(dataset), generator=generator("cpu", "probe"))[:limit].sort().values
    return Subset(dataset, rows)


def spread_batches(dataset: Dataset | Stream, limit: int, batch_size: int = 50) -> Iterator[Batch]:
    """Batches of samples at equal steps, of as many files as there are; of a stream the first ones."""
    if not isinstance(dataset, Stream) and limit < len(dataset):
        dataset = Subset(dataset, torch.linspace(0, len(dataset) - 1, limit).long())
    return sequential_batches(dataset, batch_size, limit)


def embedder(graph: Graph, teacher: bool = False) -> Embed:
    """``Inference.embed`` in evaluation mode, on the graph's device; the graph is left in that mode."""
    inference, device = Inference(graph.eval(), teacher), next(graph.parameters()).device

    def embed(batch: Batch) -> Tensor:
        batch = batch.on(device)
        return inference.embed(batch.x, batch.valid)

    return embed


def labelled(f: Features) -> tuple[Labelled, Labelled] | None:
    """What a probe learns from, and what it is tested on: labelled samples, tested ones of classes that training shows.

    None where there are no labels, or too few to learn anything: training must show two classes, and the test part one
    of these.
    """
    if f.test is None or f.train.label is None or f.test.label is None:
        return None
    known = np.unique(f.train.label[f.train.label >= 0])
    test = of_classes(f.test, known)
    return (of_classes(f.train, known), test) if len(known) > 1 and len(test[0]) else None


def of_classes(some: Sampled, classes: np.ndarray) -> Labelled:
    """The samples whose label is one of these."""
    assert some.label is not None
    asked = np.isin(some.label, classes)
    return (some.z, some.label) if asked.all() else (some.z[asked], some.label[asked])


def cautions(f: Features, classes: Sequence[str] | None = None) -> list[str]:
    """Sentences about samples that probes leave out, and about test samples that they have seen in training.

    Args:
        f: of any encoder.
        classes: names of the labels; None: their numbers stand for them.

    >>> train = Sampled(np.zeros((3, 2)), np.array([0, 1, -1]), np.arange(3), np.array([7, 8, 9], np.uint64))
    >>> test = Sampled(np.zeros((2, 2)), np.array([1, 2]), np.arange(2), np.array([7, 6], np.uint64))
    >>> print(*cautions(Features(train, test), ["ant", "bee", "cow"]), sep=chr(10))
    probes leave out 1 of 3 training samples, without a label
    probes leave out 1 of 2 test samples, of cow, which is no class of the training part
    no test sample is of ant: scores say nothing of that
    1 of 2 test samples is an exact copy of a training sample: scores are too good by it
    """
    found = []
    parts = {"training": f.train, "test": f.test}
    for name, part in parts.items():
        if part is not None and part.label is not None and (count := int((part.label < 0).sum())):
            found.append(f"probes leave out {count:,} of {len(part.label):,} {name} samples, without a label")
    if f.test is None:
        return found
    if labelled(f) is not None:
        found += _apart(f.train.label, f.test.label, classes)
    copies = 0 if f.test.digest is None or f.train.digest is None else int(np.isin(f.test.digest, f.train.digest).sum())
    if copies:
        are = "is an exact copy of a training sample" if copies == 1 else "are exact copies of training samples"
        found.append(f"{copies:,} of {len(f.test.z):,} test samples {are}: scores are too good by it")
    return found


def _apart(train: np.ndarray | None, test: np.ndarray | None, classes: Sequence[str] | None) -> list[str]:
    """Which classes stand in one of the parts alone."""
    assert train is not None and test is not None
    odd = Counter(test[~np.isin(test, train) & (test >= 0)].tolist())
    lost = np.unique(train[~np.isin(train, test) & (train >= 0)]).tolist()
    found = []
    if odd:
        which = "which is no class" if len(odd) == 1 else "which are no classes"
        out = f"probes leave out {odd.total():,} of {len(test):,} test samples, of {_named(odd, classes)}"
        found.append(f"{out}, {which} of the training part")
    if lost:
        found.append(f"no test sample is of {_named(lost, classes)}: scores say nothing of that")
    return found


def _named(labels: Iterable[int], classes: Sequence[str] | None) -> str:
    """The first few classes by name, or by number where they have none."""
    names = [f"{label if classes is None else classes[label]}" for label in sorted(labels)]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} others" if len(names) > 5 else "")


def labelled_rows(dataset: Dataset, classes: Tensor | None = None) -> Dataset:
    """The samples whose label is known, and is one of ``classes`` where these are given."""
    assert dataset.labels is not None
    asked = dataset.labels >= 0 if classes is None else torch.isin(dataset.labels, classes)
    return dataset if bool(asked.all()) else Subset(dataset, asked.nonzero().flatten())
