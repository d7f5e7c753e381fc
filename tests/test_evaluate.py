"""Encoders measured beside their baselines."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import ssl_pipeline
from ssl_pipeline.cli import main
from ssl_pipeline.config import compose
from ssl_pipeline.evaluation import few_label
from ssl_pipeline.export import export
from ssl_pipeline.training import run

SMALL = ["encoder.widths=[8,16]", "decoder.widths=[8,8]", "batch_size=128", "probe=none", "trainer.max_steps=10"]
QUICK = ["limit=300", "seeds=2"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    run(compose(SMALL), str(folder))
    return folder


def rows(file):
    return json.loads(file.read_text())["rows"]


def test_a_run_is_measured_beside_its_baselines(trained, capsys):
    assert main(["evaluate", f"run={trained}", "few=0.05", "attentive=30", "finetune=30", *QUICK]) == 0
    found = rows(trained / "evaluation_digits.json")
    assert list(found) == ["this encoder", "untrained encoder", "raw input"]
    probes = {"knn", "linear", "few", "few@5%"}
    free = {"rankme", "alpha", "std", "lidar"}
    assert set(found["this encoder"]) == probes | free | {"attentive", "finetuned"} == set(found["untrained encoder"])
    assert set(found["raw input"]) == probes
    assert found["this encoder"]["linear"]["mean"] > 60 and found["raw input"]["knn"]["mean"] > 85
    assert (
        found["this encoder"]["few@5%"]["n"] == 2 and "0.05 of 300 labels" in found["raw input"]["few@5%"]["protocol"]
    )
    said = capsys.readouterr().out
    assert "| | kNN-20 | linear | few labels | 5% of labels | attentive | fine-tuned | RankMe |" in said
    assert "linear: P1 with 300 labels" in said


def test_an_exported_encoder_is_measured_as_the_run_is(trained, tmp_path):
    export(ssl_pipeline.load(trained), "encoder", tmp_path / "out")
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    for folder, file in zip([trained, tmp_path / "out"], files, strict=True):
        assert main(["evaluate", f"run={folder}", f"out={file}", "few=", *QUICK]) == 0
    assert rows(files[0]) == rows(files[1])


def test_of_several_runs_there_are_mean_and_deviation(trained, tmp_path):
    runs = f"{trained},{trained}"
    words = ["evaluate", f"run={runs}", f"out={tmp_path}/both.json", "few=", "baselines=false", *QUICK]
    assert main(words) == 0
    score = rows(tmp_path / "both.json")["this encoder"]["knn"]
    assert score["sd"] == 0 and score["n"] == 2 and "2 runs" in score["protocol"]


def test_a_model_of_timms_is_measured_with_weights_from_a_file(tmp_path, capsys):
    timm = pytest.importorskip("timm")
    torch.manual_seed(1)
    theirs = timm.create_model("resnet10t", num_classes=7)
    save_file(theirs.state_dict(), tmp_path / "theirs.safetensors")
    words = ["evaluate", "run=timm:resnet10t", "data=digits", f"out={tmp_path}/out.json", "few=", *QUICK]
    assert main([*words, f"weights={tmp_path}/theirs.safetensors"]) == 0
    assert set(rows(tmp_path / "out.json")) == {"this encoder", "untrained encoder", "raw input"}
    assert main([*words[:1], "run=timm:resnet18", *words[2:], f"weights={tmp_path}/theirs.safetensors"]) == 1
    assert "of timm's resnet18" in capsys.readouterr().err.replace("fit timm's", "of timm's")


@pytest.mark.parametrize(
    "words, said",
    [
        (["run=timm:resnet10t"], "has no data of its own"),
        (["run=timm:resnet10t", "data=pydoc"], "take images of 1 or 3 channels"),
        (["run=timm:resnt10t", "data=digits"], "timm has no model"),
        (["run=RUN", "few=2"], "expected shares above 0"),
        (["run=RUN", "weights=a"], "is of timm:NAME"),
        (["run=RUN,RUN"], "several runs need out="),
        (["run=RUN", "data=tones"], "the model takes samples of (8, 8)"),
    ],
)
def test_wrong_words_end_in_a_sentence(words, said, trained, capsys):
    assert main(["evaluate", *(word.replace("RUN", str(trained)) for word in words)]) == 1
    assert said in capsys.readouterr().err


def test_a_share_of_the_labels_holds_one_of_each_class_at_least():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [300, 90, 5])
    z = np.eye(3)[labels] + 0.01 * rng.normal(size=(395, 3))
    assert few_label((z, labels), (z, labels), per_class=0.01, draws=2)[0] == 100
