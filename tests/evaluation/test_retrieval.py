"""Samples of a source found by their embeddings."""

from __future__ import annotations

import numpy as np
import pytest

from ssl_pipeline.evaluation import P1, Features, retrieval
from ssl_pipeline.evaluation.frozen_features import Sampled, labelled


def test_retrieval_across_labels():
    """The nearest of all is in the same language; the nearest in another one is what counts."""
    z = np.array([[1.0, 0.15], [1.0, 0.14], [0.9, 0.2], [-1.0, 0.15], [-1.0, 0.14], [-0.9, 0.2]])
    source = np.array([0, 1, 0, 2, 3, 2])
    language = np.array([0, 0, 1, 0, 0, 1])
    assert retrieval(z, source)["retrieval"] < 100
    across = retrieval(z, source, language)
    assert across["retrieval"] == 100
    # Four of six have a partner; two of them choose between two candidates, two among four.
    assert across["retrieval_chance"] == pytest.approx(100 * (1 / 2 + 1 / 4) / 2, abs=0.01)
    assert retrieval(z, np.arange(6)) == {}


def test_retrieval_at_random_is_chance():
    rng = np.random.default_rng(0)
    source = np.arange(2000) // 20
    found = retrieval(rng.normal(size=(2000, 50)), source)
    assert found["retrieval"] == pytest.approx(found["retrieval_chance"], abs=1.0)
    assert found["retrieval_chance"] == pytest.approx(100 * 19 / 1999, abs=0.01)


def test_samples_without_label_are_left_out_of_probes():
    rng = np.random.default_rng(0)
    label = np.arange(40) % 2
    z = (rng.normal(size=(40, 4)) + 9 * label[:, None]).astype(np.float32)
    known, some = Sampled(z, label, np.arange(40)), np.where(np.arange(40) % 5 == 0, -1, label)
    scores = P1(few_shot=2).score(Features(known._replace(label=some), known._replace(label=some)))
    assert scores["knn"] == scores["linear"] == 100  # those without label would be errors
    train, test = labelled(Features(known._replace(label=some), known))
    assert len(train[0]) == len(train[1]) == 32 and len(test[1]) == 40
    assert P1(few_shot=0).score(Features(known, known._replace(label=np.full(40, -1)))) == {}
    with pytest.raises(ValueError, match="across_labels=true needs labels in the test set"):
        P1(across_labels=True).score(Features(known, known._replace(label=None)))


def test_labels_that_training_never_shows_are_not_probed():
    """Speakers held out are no classes for those that stayed: a number would be made up."""
    z = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    own = np.arange(40)
    train, test = Sampled(z, own % 2, own), Sampled(z, 2 + own % 2, own)
    assert P1(few_shot=0).score(Features(train, test)) == {}
    assert "knn" in P1(few_shot=0).score(Features(train, train))
    with pytest.raises(ValueError, match="needs labels"):
        P1(few_shot=0, across_labels=True).score(Features(train, test._replace(label=None)))
