"""Protocol P1: one way to measure, for every table of the project."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from sklearn.decomposition import PCA
from sklearn.preprocessing import FunctionTransformer

from ssl_pipeline.config.registry import register
from ssl_pipeline.data import Data
from ssl_pipeline.evaluation.backgrounds import gaps, variants
from ssl_pipeline.evaluation.corrupted import P2
from ssl_pipeline.evaluation.frozen_features import Embed, Features, Forms, features, labelled, of_classes
from ssl_pipeline.evaluation.probes import (
    Classifier,
    Labelled,
    OneScale,
    accuracy,
    both_accuracies,
    few_label,
    logistic,
    majority,
    nearest_neighbours,
)
from ssl_pipeline.evaluation.recognition import Recognition
from ssl_pipeline.evaluation.restored import P3
from ssl_pipeline.evaluation.retrieval import retrieval
from ssl_pipeline.structures.batch import as_float

_TELLING = 50
"""Percent: a source that chance finds as often as that tells nothing of an encoder when it is found."""


@register("protocol", "p1", parts={"corrupted": "protocol", "restored": "protocol", "recognition": "protocol"})
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
        corrupted: ask about corrupted test samples, too; None: do not.
        restored: restore corrupted test samples, where a decoder leads to the clean form; None: do not.
        recognition: read off latents what happened to samples, there, too; None: do not.

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
    corrupted: P2 | None = field(default_factory=P2)
    restored: P3 | None = field(default_factory=P3)
    recognition: Recognition | None = field(default_factory=Recognition)
    name: str = "P1.1"  # of P1 the linear probe had one penalty for all

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
        return replace(raw, scaler=FunctionTransformer)  # which does nothing

    def features(self, embed: Embed, data: Data) -> Features:
        """Embeddings of the samples that the protocol names, at most ``width`` numbers each."""
        return self._features(embed, data, reduce=True)

    def measures(self, f: Features) -> tuple[str, ...]:
        """What can be measured of features, most worth first: of ``knn``, ``retrieval``, ``linear``, ``corrupted`` and
        ``few_shot``.

        Raises:
            ValueError: sources are to be found across labels, and there are none.
        """
        if f.test is None:
            return ()
        if self.across_labels and f.test.label is None:
            raise ValueError("probe.protocol.across_labels=true needs labels in the test set, and there are none")
        probes = labelled(f) is not None
        asked = {
            "knn": probes,
            "retrieval": len(np.unique(f.test.source)) < len(f.test.source),
            "linear": probes,
            "corrupted": f.forms is not None,
            "few_shot": probes and self.few_shot > 0,
        }
        return tuple(name for name, is_asked in asked.items() if is_asked)

    def measure(self, name: str, f: Features) -> dict[str, float]:
        """One of ``measures``, in percent; probes with their balanced accuracy, kNN with what naming one class gives
        and, as ``tested``, with the number of test samples.

        Where chance finds most of the sources, it stands there alone. ``swapped`` is how many images were seen on other
        backgrounds.
        """
        if name == "retrieval":
            return self._retrieval(f)
        if name == "corrupted":
            return self._corrupted(f)
        train, test = pair = _pair(f)
        if name == "few_shot":
            mean, std = few_label(*pair, per_class=self.few_shot, draws=self.draws, scaler=f.scaler)
            return {"few_shot": mean, "few_shot_std": std}
        probe = self._probe(name, f, train)
        scores = dict(zip((name, f"{name}_balanced"), both_accuracies(test[1], probe(test[0])), strict=True))
        if name == "knn":
            scores |= dict(zip(("majority", "majority_balanced"), majority(train[1], test[1]), strict=True))
            scores["tested"] = len(test[1])
        if f.variants:
            known = np.unique(train[1])
            scores |= {f"{name}/{form}": accuracy(probe, of_classes(some, known)) for form, some in f.variants.items()}
            scores |= gaps(scores, name) | {"swapped": len(f.variants["original"].z)}
        return scores

    def score(self, f: Features) -> dict[str, float]:
        """All that can be measured of features."""
        return {key: value for name in self.measures(f) for key, value in self.measure(name, f).items()}

    def _corrupted(self, f: Features) -> dict[str, float]:
        assert f.forms is not None and self.corrupted is not None
        if (pair := labelled(f)) is None:
            return self.corrupted.score(f.forms(), {}, None)
        probes = {name: self._probe(name, f, pair[0]) for name in ("knn", "linear")}
        return self.corrupted.score(f.forms(), probes, np.unique(pair[0][1]))

    def _probe(self, name: str, f: Features, train: Labelled) -> Classifier:
        if name not in f.fitted:
            f.fitted[name] = nearest_neighbours(train, self.k) if name == "knn" else logistic(train, f.scaler)
        return f.fitted[name]

    def _retrieval(self, f: Features) -> dict[str, float]:
        assert f.test is not None
        z, label, source, _ = f.test
        if self.across_labels:
            if label is None or not (label >= 0).any():
                raise ValueError("probe.protocol.across_labels=true needs labels in the test set, and there are none")
            z, label, source = z[label >= 0], label[label >= 0], source[label >= 0]
        found = retrieval(z, source, label if self.across_labels else None)
        chance = found.get("retrieval_chance", 0)
        return found if chance < _TELLING else {"retrieval_chance": chance}

    def _features(self, embed: Embed, data: Data, reduce: bool = False) -> Features:
        train = features(embed, data.known, self.train_limit)
        test = None if data.test is None else features(embed, data.test, self.test_limit)
        forms = variants(data, self.test_limit) if self.backgrounds else {}
        varied = {name: features(embed, images) for name, images in forms.items()}
        asked = None
        if self.corrupted is not None and data.test is not None and self.corrupted.families_of(data.grid):
            asked = partial(self.corrupted.forms, embed, data)
        if reduce and train.z.shape[1] > self.width:
            pca = PCA(min(self.width, *train.z.shape), svd_solver="randomized", random_state=0).fit(train.z)
            train = train._replace(z=pca.transform(train.z))
            test = None if test is None else test._replace(z=pca.transform(test.z))
            varied = {name: form._replace(z=pca.transform(form.z)) for name, form in varied.items()}
            return Features(train, test, OneScale, varied, asked and partial(_reduced, asked, pca))
        return Features(train, test, variants=varied, forms=asked)


def _reduced(forms: Callable[[], Forms], pca: PCA) -> Forms:
    found = forms()
    return found._replace(z={name: pca.transform(z) for name, z in found.z.items()})


def _pair(f: Features) -> tuple[Labelled, Labelled]:
    """What a probe learns from, and what it is tested on.

    Raises:
        ValueError: there are no labels that a probe could learn.
    """
    if (pair := labelled(f)) is None:
        raise ValueError("expected labels of two classes in the training part and of one of them in the test part")
    return pair
