"""Labels that are missing or unequal, and test samples that training has seen: what scores then say."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import balanced_accuracy_score

from ssl_pipeline.data import folder
from ssl_pipeline.evaluation import P1, Features
from ssl_pipeline.evaluation.frozen_features import Sampled, cautions, labelled
from ssl_pipeline.evaluation.probes import both_accuracies
from ssl_pipeline.report.probe_table import probe_table

QUICK = P1(few_shot=0, k=5)


def sampled(labels, seed=0):
    labels = np.array(labels)
    rng = np.random.default_rng(seed)
    z = np.eye(4)[labels.clip(0)] * 3 + rng.normal(size=(len(labels), 4))
    return Sampled(z.astype(np.float32), labels, np.arange(len(labels)), rng.integers(1 << 60, size=len(labels)))


def noise_images(root, counts, seed=0):
    rng = np.random.default_rng(seed)
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(root / name / f"{i}.png")
    return str(root)


def test_balanced_accuracy_is_scikit_learns():
    rng = np.random.default_rng(0)
    labels, named = rng.integers(0, 4, 200) ** 2, rng.integers(0, 4, 200) ** 2
    assert both_accuracies(labels, named)[1] == pytest.approx(100 * balanced_accuracy_score(labels, named))
    assert both_accuracies(np.array([0, 1]), np.array([0, 7])) == (50, 50)  # 7 is no class of these


def test_of_noise_the_majority_stands_beside_the_accuracy(tmp_path):
    """Nothing can be learned, so 95 % are the share of one class: balanced accuracy says so."""
    root = noise_images(tmp_path / "x", {"common": 190, "rare": 10})
    found = QUICK.raw(folder(root, size=8, channels=1, split={"holdout": 0.2, "seed": 1}))
    assert found["majority"] > 90 and found["majority_balanced"] == 50
    assert found["knn"] == found["majority"] and abs(found["knn_balanced"] - 50) < 10
    head, rows, best = probe_table(found)
    assert head == ["", "kNN-20", "balanced", "linear", "balanced"]
    assert rows[-1][0] == "majority class" and rows[-1][2] == "50.0" and (0, 1) in best and (1, 1) in best


def test_a_class_of_the_test_part_alone_is_named_and_leaves_the_others(tmp_path):
    noise_images(tmp_path / "x/train", {"a": 20, "b": 20})
    noise_images(tmp_path / "x/val", {"a": 6, "b": 6, "c": 6}, seed=1)
    shutil.copy(tmp_path / "x/train/a/3.png", tmp_path / "x/val/a/5.png")
    with pytest.warns(UserWarning, match="1 class stands in the test part alone: c; probes leave out"):
        data = folder(str(tmp_path / "x"), size=8, channels=1)
    f = QUICK.raw_features(data)
    assert {"knn", "linear"} <= QUICK.score(f).keys() and len(labelled(f)[1][1]) == 12
    said = cautions(f, data.classes)
    assert "probes leave out 6 of 18 test samples, of c, which is no class of the training part" in said
    assert "1 of 18 test samples is an exact copy of a training sample: scores are too good by it" in said


def test_one_missing_label_leaves_all_other_probes():
    train, test = sampled([0, 1, 2] * 20), sampled([0, 1, 2] * 5, seed=1)
    whole = QUICK.score(Features(train, test))
    lost = train._replace(label=np.array([-1, *train.label[1:]]))
    f = Features(lost, test)
    assert QUICK.score(f).keys() == whole.keys() and len(labelled(f)[0][1]) == 59
    assert cautions(f) == ["probes leave out 1 of 60 training samples, without a label"]
    assert QUICK.score(Features(train._replace(label=-np.ones(60, int)), test)) == {}
