"""Encoders measured beside their baselines."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

import ssl_pipeline
from ssl_pipeline.api import Run
from ssl_pipeline.cli.main import main
from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import digits
from ssl_pipeline.evaluation import P1, Features, few_label
from ssl_pipeline.evaluation.frozen_features import Sampled
from ssl_pipeline.evaluation.metrics import alpha_req
from ssl_pipeline.evaluation.probes import logistic
from ssl_pipeline.evaluation.recognition import Recognition
from ssl_pipeline.exporting import export_part
from ssl_pipeline.inference import dataset
from ssl_pipeline.inference.model import Model
from ssl_pipeline.inference.recognizer import FILE, Recognizer
from ssl_pipeline.training import console as report
from ssl_pipeline.training import run

SMALL = ["encoder.widths=[8,16]", "decoder.widths=[8,8]", "batch_size=128", "probe=none", "trainer.max_steps=10"]
QUICK = ["limit=300", "seeds=2", "corrupted=0", "restored=0"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    run(compose(SMALL), str(folder))
    return folder


def rows(file):
    return json.loads(file.read_text())["rows"]


def test_a_run_is_measured_beside_its_baselines(trained, capsys):
    assert main(["evaluate", f"run={trained}", "few_shot=0.05", "attentive=30", "finetune=30", *QUICK]) == 0
    found = rows(trained / "evaluation_digits.json")
    found = {row: {key: score for key, score in some.items() if "/" not in key} for row, some in found.items()}
    assert list(found) == ["this encoder", "untrained encoder", "raw input", "majority class"]
    probes = {"knn", "knn_balanced", "linear", "linear_balanced", "few_shot", "few@5%", "tested"}
    free = {"rankme", "alpha", "std", "lidar"}
    assert set(found["this encoder"]) == probes | free | {"attentive", "finetuned"} == set(found["untrained encoder"])
    assert set(found["raw input"]) == probes
    assert found["this encoder"]["linear"]["mean"] > 60 and found["raw input"]["knn"]["mean"] > 85
    assert found["this encoder"]["few@5%"]["n"] == 2
    assert re.fullmatch(r"linear, 1\d of 300 labels", found["raw input"]["few@5%"]["protocol"])
    said = capsys.readouterr().out
    assert (
        "| | kNN-20 | balanced | linear | balanced | few labels | 5% of labels | attentive | fine-tuned | RankMe |"
        in said
    )
    assert "linear: P1 with 300 labels" in said and re.search(r"\*\*[\d.]+\*\*", said)
    assert re.search(r"This encoder (beats|does not beat) raw input in ", said)


def test_what_a_run_restores_has_columns_of_its_own(trained, tmp_path, capsys):
    words = ["limit=300", "corrupted=0", "restored=4", "few_shot=", "baselines=false", f"out={tmp_path}/x.json"]
    assert main(["evaluate", f"run={trained}", "data=digits", *words]) == 0
    found, said = rows(tmp_path / "x.json")["this encoder"], capsys.readouterr().out
    assert found["restored/psnr"]["protocol"] == "P3, 4 test samples at most" and "restored/psnr/noise/1" in found
    assert "| corrupted: PSNR, dB | restored: PSNR, dB |" in said


def test_a_run_that_cannot_tell_what_happened_learns_it_from_its_own_data(trained, tmp_path, monkeypatch):
    folder = shutil.copytree(trained, tmp_path / "run", ignore=shutil.ignore_patterns(FILE))
    words = ["limit=50", "corrupted=0", "few_shot=", "baselines=false", f"out={tmp_path}/x.json", f"run={folder}"]
    fit, few = Recognition.fit, {"rows": 100, "families": ("noise", "blur")}
    monkeypatch.setattr(Recognition, "fit", lambda self, *of: fit(replace(self, **few), *of))
    assert main(["evaluate", *words, "restored=1", "data=digits"]) == main(["evaluate", *words, "restored=0"]) == 0
    assert not (folder / FILE).exists()
    model, x = ssl_pipeline.load(folder), digits().test[range(5)].x
    with pytest.raises(ValueError, match="or by ssl-pipeline evaluate run="):
        model.what_happened(x)
    assert main(["evaluate", *words, "restored=1"]) == 0
    found, fitted = ssl_pipeline.load(folder), P1().recognition.fit(model.graph, digits())
    assert found.recognizer.families == fitted.families == ("noise", "blur")
    torch.testing.assert_close(
        found.what_happened(x)[1:], Model(model.graph, {}, recognizer=fitted).what_happened(x)[1:]
    )
    monkeypatch.setattr(Recognition, "fit", lambda *_: pytest.fail("it was fitted again"))
    assert main(["evaluate", *words, "restored=1"]) == 0


@pytest.mark.parametrize("kind", ["run", "model"])
def test_what_happened_is_told_by_the_object_that_was_evaluated(trained, tmp_path, monkeypatch, kind):
    folder = shutil.copytree(trained, tmp_path / "run", ignore=shutil.ignore_patterns(FILE))
    one = Run(folder, {})
    model = one.model
    monkeypatch.setattr(Recognition, "fit", lambda *_: Recognizer(["noise"], 2))
    ssl_pipeline.evaluate(
        one if kind == "run" else model, limit=50, corrupted=0, restored=1, few_shot=(), baselines=False
    )
    assert model.recognizer.families == ("noise",) and (folder / FILE).exists() == (kind == "run")


@pytest.mark.slow
def test_an_exported_encoder_is_measured_as_the_run_is(trained, tmp_path):
    export_part(ssl_pipeline.load(trained), "encoder", tmp_path / "out")
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    for folder, file in zip([trained, tmp_path / "out"], files, strict=True):
        assert main(["evaluate", f"run={folder}", f"out={file}", "few_shot=", *QUICK]) == 0
    assert rows(files[0]) == rows(files[1])


def test_of_several_runs_there_are_mean_and_deviation(trained, tmp_path, monkeypatch):
    shutil.copytree(trained, tmp_path / "again")
    made, build_data = [], dataset.build_data
    monkeypatch.setattr(dataset, "build_data", lambda *of: made.append(of) or build_data(*of))
    runs = f"{trained},{tmp_path}/again"
    words = ["evaluate", f"run={runs}", f"out={tmp_path}/both.json", "few_shot=", "baselines=false", *QUICK]
    assert main(words) == 0
    score = rows(tmp_path / "both.json")["this encoder"]["knn"]
    assert score["sd"] == 0 and score["n"] == 2 and "2 runs" in score["protocol"]
    assert len(made) == 2  # each data set once


def test_a_model_of_timms_is_measured_with_weights_from_a_file(tmp_path, capsys):
    timm = pytest.importorskip("timm")
    torch.manual_seed(1)
    theirs = timm.create_model("resnet10t", num_classes=7)
    save_file(theirs.state_dict(), tmp_path / "theirs.safetensors")
    words = ["evaluate", "run=timm:resnet10t", "data=digits", f"out={tmp_path}/out.json", "few_shot=", *QUICK]
    assert main([*words, f"weights={tmp_path}/theirs.safetensors"]) == 0
    assert set(rows(tmp_path / "out.json")) == {"this encoder", "untrained encoder", "raw input", "majority class"}
    assert main([*words[:1], "run=timm:resnet18", *words[2:], f"weights={tmp_path}/theirs.safetensors"]) == 1
    assert "of timm's resnet18" in capsys.readouterr().err.replace("fit timm's", "of timm's")


@pytest.mark.parametrize(
    "words, said",
    [
        (["run=timm:resnet10t"], "has no data of its own"),
        (["run=timm:resnet10t", "data=pydoc"], "take images of 1 or 3 channels"),
        (["run=timm:resnt10t", "data=digits"], "timm has no model"),
        (["run=RUN", "few_shot=2"], "expected shares above 0"),
        (["run=RUN", "few_shot=a"], "few_shot=a: expected a number, or several with commas between them"),
        (["run=RUN", "few_shot=1"], "few_shot=1: expected shares above 0 and below 1"),
        (["run=RUN", "weights=a"], "is of timm:NAME"),
        (["run=RUN,RUN", "out=/tmp/x.json"], "names a run twice"),
        (["run=RUN", "out=RUN"], "is a folder: name a file"),
        (["run=RUN", "dta=digits"], "no argument 'dta'; nearest: data"),
        (["run=RUN", "data.root=x"], "data.root=x is an option of a data set: name that, too, such as data=folder"),
        (["run=timm:resnet10t", "data=digits", "weights=/nope"], "weights=/nope: there is no such file"),
        (
            ["run=timm:resnet10t", "data=digits", f"weights={__file__}"],
            "is no safetensors file and no checkpoint of plain tensors: name another\n",
        ),
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


def test_runs_on_different_data_have_no_mean(trained, tmp_path, capsys):
    words = ["data=tones", "data.samples=60", *SMALL, "batch_size=32", "trainer.max_steps=1"]
    run(compose(words), str(tmp_path / "tones"))
    capsys.readouterr()
    assert main(["evaluate", f"run={trained},{tmp_path}/tones", f"out={tmp_path}/x.json"]) == 1
    said = capsys.readouterr()
    assert f"these runs are of different data: {trained} of digits, (8, 8) with 1 channel, 10 classes; " in said.err
    assert "of tones, (40, 50)" in said.err and "|" not in said.out and not (tmp_path / "x.json").exists()


def test_what_few_samples_do_not_tell_is_left_out_and_named(trained, tmp_path, capsys, recwarn):
    rng = np.random.default_rng(0)
    for i in range(12):
        (tmp_path / f"images/{i % 2}").mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 255, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"images/{i % 2}/{i}.png")
    words = [
        "evaluate",
        f"run={trained}",
        "data=folder",
        f"data.root={tmp_path}/images",
        "few_shot=",
        "baselines=false",
    ]
    words += ["data.size=8", "data.channels=1", f"out={tmp_path}/x.json"]
    for held_out, lost in ((0.1, {"rankme", "std", "alpha", "lidar"}), (0.34, {"alpha"}), (0.5, set())):
        assert main([*words, f"data.split.holdout={held_out}"]) == 0
        found, said = rows(tmp_path / "x.json")["this encoder"], capsys.readouterr().out
        assert {"rankme", "std", "alpha", "lidar"} - found.keys() == lost
        assert all(np.isfinite(score["mean"]) for score in found.values())
        assert ("LiDAR is left out, it takes at least 2 samples, got 1 test sample" in said) == ("lidar" in lost)
        assert ("alpha-ReQ is left out, it takes at least 4 directions" in said) == ("alpha" in lost)
    assert not [one for one in recwarn if issubclass(one.category, RuntimeWarning)]
    z = rng.normal(size=(5, 9)).astype("float32") + 3
    assert np.isfinite(alpha_req(z)) and np.isnan(alpha_req(z[:4])) and np.isnan(alpha_req(np.ones((9, 9))))


def test_of_an_exported_part_only_encoders_are_measured_and_with_their_view(trained, tmp_path, capsys):
    model = ssl_pipeline.load(trained)
    export_part(model, "encoder", tmp_path / "seen", "noise")
    export_part(model, "restorer:noise", tmp_path / "restorer")
    assert main(["evaluate", f"run={tmp_path}/restorer"]) == 1
    assert "holds restorer:noise alone, expected an encoder or a teacher" in capsys.readouterr().err
    assert main(["evaluate", f"run={tmp_path}/seen", "view=mask"]) == 1
    assert "alone" in capsys.readouterr().err
    found = []
    for words in ([f"run={tmp_path}/seen"], [f"run={trained}", "view=noise"], [f"run={trained}"]):
        assert main(["evaluate", *words, f"out={tmp_path}/x.json", "few_shot=", "baselines=false", *QUICK]) == 0
        found.append(rows(tmp_path / "x.json"))
    assert found[0] == found[1] != found[2]


def test_a_source_that_chance_finds_is_left_out_of_the_tables(capsys):
    z = np.random.default_rng(0).normal(size=(30, 4))
    for sources, telling in ((1, False), (2, True)):
        some = Sampled(z, None, np.arange(30) % sources)
        found = P1(few_shot=0).score(Features(some, some))
        assert ("retrieval" in found, "retrieval@5" in found) == (telling, telling)
        report._probes(found | {"protocol": "P1"}, "run")
        said = capsys.readouterr().out
        assert ("retrieval@1" in said) == telling
        assert ("a source is found by chance: 100 %, so it is left out" in said) != telling


def test_a_linear_probe_of_few_samples_is_the_same_in_the_space_that_they_span():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 400)).astype(np.float32), np.arange(30) % 3
    probe = logistic((x, y), FunctionTransformer)
    plain = LogisticRegression(max_iter=1000).fit(x, y)
    asked = rng.normal(size=(200, 400)).astype(np.float32)
    assert np.array_equal(probe(asked), plain.predict(asked))
    assert probe.__self__[-1].coef_.shape == (3, 30)  # and not 400: raw input has tens of thousands


def test_a_linear_probe_takes_the_penalty_that_held_out_samples_ask_for():
    rng = np.random.default_rng(0)
    x, asked = rng.normal(size=(2, 1000, 300))
    x[:, 0], asked[:, 0] = 4 * x[:, 0], 4 * asked[:, 0]
    y, right = x[:, 0] + 4 * rng.normal(size=1000) > 0, asked[:, 0] > 0
    chosen, plain = logistic((x, y), FunctionTransformer), LogisticRegression(max_iter=1000).fit(x, y)
    assert chosen.__self__[-1].C < 1
    assert np.mean(chosen(asked) == right) > np.mean(plain.predict(asked) == right) + 0.05  # measured: 0.82, 0.73
    assert logistic((x[:400], y[:400]), FunctionTransformer).__self__[-1].C == 1.0  # too few to choose on


def test_what_pca_leaves_of_a_wide_embedding_keeps_its_proportions():
    """Digits turned into more numbers than they have: what few labels give is no less where PCA brings these back."""
    wide = torch.randn(64, 600, generator=torch.Generator().manual_seed(0))
    few_shot = {}
    for width in (600, 60):
        protocol = P1(width=width, draws=5)
        found = protocol.features(lambda batch: batch.x.flatten(1).float() @ wide, digits())
        assert found.train.z.shape[1] == width
        few_shot[width] = protocol.score(found)["few_shot"]
    assert few_shot[60] > few_shot[600] - 2 > 70
