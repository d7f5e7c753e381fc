"""Tables from a file or from Python: runs, other tables, and runs that begin with another's weights."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
import torch
from helpers.commands import call
from helpers.exports import ssl
from torch.utils.data import DataLoader, TensorDataset

import ssl_pipeline as sslp
from ssl_pipeline.config.compose import compose
from ssl_pipeline.training import run as train

RNG = np.random.default_rng(0)
ROWS = np.stack([RNG.normal(size=60), 1e6 + 1e5 * RNG.normal(size=60), 0.01 * RNG.normal(size=60)], axis=1)
LABELS = [i % 3 for i in range(60)]
QUICK = {"probe": "none", "report.page": False, "hardware": "cpu", "diagnostics.every": 0, "batch_size": 16}
QUICK |= {"encoder.width": 24, "encoder.depth": 1, "encoder.heads": 2, "decoder.width": 24, "decoder.heads": 2}
WORDS = [f"{key}={str(value).lower()}" for key, value in QUICK.items()]


def write(file, columns, rows, names="abc"):
    lines = [",".join(columns), *(",".join(str(row[names.index(c)]) if c in names else "x" for c in columns)
                                  for row in rows)]  # fmt: skip
    file.write_text("\n".join(lines))
    return file


def pretrained(folder, file, *words):
    return train(compose(["data=csv", f"data.root={file}", "trainer.max_steps=2", "trainer.max_epochs=-1", *WORDS,
                          *words]), str(folder))  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("tables")
    pretrained(place / "run", write(place / "table.csv", "abc", ROWS))
    return place / "run"


def test_rows_are_read_alike_however_they_are_passed(folder, tmp_path):
    model = sslp.load(folder)
    wanted = model.embed(ROWS)
    assert torch.isfinite(wanted).all() and wanted.std(0).max() > 0
    rows = torch.as_tensor(ROWS)
    passed = {"list": [*rows], "tensors": TensorDataset(rows), "loader": DataLoader(rows, batch_size=7), "array": ROWS}
    for name, data in passed.items():
        sslp.embed(folder, data=data, options={"data.split.holdout": 0}, split="train", out=tmp_path / f"{name}.npz")
        found = np.load(tmp_path / f"{name}.npz")
        torch.testing.assert_close(torch.as_tensor(found["embedding"]), wanted, atol=1e-4, rtol=1e-4)
    whole = np.round(ROWS * [1, 1, 0]).astype(np.int64)  # numbers, though without a model they would be symbols
    sslp.embed(folder, data=whole, options={"data.split.holdout": 0}, split="train", out=tmp_path / "whole.npz")
    found = torch.as_tensor(np.load(tmp_path / "whole.npz")["embedding"])
    torch.testing.assert_close(found, model.embed(whole), atol=1e-4, rtol=1e-4)
    as_dictionaries = [dict(zip("cab", (row[2], row[0], row[1]), strict=True)) for row in ROWS]
    torch.testing.assert_close(model.embed(as_dictionaries), wanted)


def test_rows_of_other_units_are_refused_or_named(folder):
    model, scaled = sslp.load(folder), (ROWS - ROWS.mean(0)) / ROWS.std(0)
    sentence = "100% of the numbers of column 'b' are far from those of the training rows, whose mean is 1e.06"
    with pytest.raises(ValueError, match=sentence):
        model.embed(scaled)
    with pytest.warns(UserWarning, match=sentence):
        sslp.evaluate(folder, scaled, labels=LABELS, few_shot=(), seeds=1, baselines=False)


def test_another_file_is_read_by_name_and_further_columns_stay_out(folder, tmp_path):
    file = write(tmp_path / "other.csv", ["place", "c", "a", "b"], ROWS)
    words = [f"run={folder}", "data=csv", f"data.root={file}", "data.split.holdout=0", "split=train"]
    assert call("embed", *words, f"out={tmp_path}/out.npz") == 0
    found = np.load(tmp_path / "out.npz")["embedding"]
    torch.testing.assert_close(torch.as_tensor(found), sslp.load(folder).embed(ROWS), atol=1e-4, rtol=1e-4)


def test_a_file_is_data_by_its_name(folder, tmp_path):
    file = write(tmp_path / "x.csv", "abc", ROWS)
    options = {"data.split.holdout": 0}
    sslp.embed(folder, data=str(file), options=options, split="train", out=tmp_path / "x.npz")
    found = torch.as_tensor(np.load(tmp_path / "x.npz")["embedding"])
    torch.testing.assert_close(found, sslp.load(folder).embed(ROWS), atol=1e-4, rtol=1e-4)
    run = sslp.pretrain(str(file), corruption="noise", steps=1, output=tmp_path / "run", options=QUICK)
    assert run.model.codec.columns == ["a", "b", "c"]


def test_columns_that_are_asked_for_are_not_replaced(folder, tmp_path, capsys):
    file = write(tmp_path / "other.csv", "abc", ROWS)
    words = [f"run={folder}", "data=csv", f"data.root={file}", "data.columns=[a,nonsense]", f"out={tmp_path}/out.npz"]
    assert call("embed", *words) == 1
    assert "has no column 'nonsense'" in capsys.readouterr().err


def test_a_restored_row_is_one_in_the_units_of_its_columns(folder):
    model = sslp.load(folder)
    row = model.codec.decode(model.restore(ROWS[:1], "noise"))[0]
    assert list(row) == ["a", "b", "c"] and 5e5 < row["b"] < 1.5e6


@pytest.mark.slow
@pytest.mark.parametrize("part", ["encoder", "restorer:mask"])
@pytest.mark.parametrize("format", ["torch_export", "onnx"])
def test_an_export_says_how_rows_become_samples(part, format, folder, tmp_path):
    """What its card says of each column makes the live model's results of rows."""
    onnxruntime = pytest.importorskip("onnxruntime") if format == "onnx" else None
    out = tmp_path / "out"
    ssl("export", f"run={folder}", f"part={part}", f"format={format}", f"out={out}")
    card = (out / "README.md").read_text()
    found = re.findall(r"^\| (\w) \| (\S+) \| (\S+) \|$", card, flags=re.M)
    assert [name for name, *_ in found] == ["a", "b", "c"]
    mean, std = (np.array([float(row[i]) for row in found]) for i in (1, 2))
    mask = np.zeros((60, 3), dtype=bool)
    mask[:, 1] = True
    inputs = {"x": ((ROWS - mean) / std)[:, None].astype(np.float32)} | ({"mask": mask} if "mask" in part else {})
    if onnxruntime is None:
        made = torch.export.load(out / "model.pt2").module()(**{k: torch.as_tensor(v) for k, v in inputs.items()})
    else:
        made = torch.as_tensor(onnxruntime.InferenceSession(out / "model.onnx").run(None, inputs)[0])
    model = sslp.load(folder)
    wanted = model.embed(ROWS) if part == "encoder" else model.restore(ROWS, "mask", mask)
    torch.testing.assert_close(made, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("text", [None, "{}", '{"foo": {"type": "pixels", "size": 4, "channels": 1}}'])
def test_a_table_run_whose_scales_are_lost_is_refused(text, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "run")
    file = tmp_path / "run/codecs.json"
    file.unlink() if text is None else file.write_text(text)
    for work in (lambda: sslp.load(tmp_path / "run"), lambda: train(compose([f"resume={tmp_path}/run"]), "")):
        with pytest.raises(ValueError, match="lacks the columns and scales of a table: restore the file"):
            work()


def test_crops_of_a_table_are_written_without_names(tmp_path):
    words = ["corruption=crop+crop", "corruption.crop_1.size=2", "corruption.crop_2.size=2", "batch_size=16"]
    pretrained(tmp_path / "run", write(tmp_path / "table.csv", "abc", ROWS), *words)
    assert (tmp_path / "run/samples/0_clean.csv").read_text().startswith("a,b,c")
    assert len((tmp_path / "run/samples/0_crop_1.csv").read_text().split(",")) == 2


def test_a_run_begins_with_the_scales_of_the_weights_it_takes(folder, tmp_path):
    other = write(tmp_path / "other.csv", "abc", 10 * ROWS)
    pretrained(tmp_path / "run", other, f"init_from={folder}")
    assert json.loads((tmp_path / "run/codecs.json").read_text()) == json.loads((folder / "codecs.json").read_text())
    permuted = write(tmp_path / "permuted.csv", "cab", ROWS)
    with pytest.raises(ValueError, match=r"learnt from the columns a, b, c, and permuted is read with c, a, b"):
        pretrained(tmp_path / "permuted", permuted, f"init_from={folder}")
    with pytest.warns(UserWarning, match="permuted keeps scales of its own: the model learnt from the columns a, b, c"):
        pretrained(tmp_path / "permuted", permuted, f"init_from={folder}", "init_partial=true")


def test_so_does_a_run_on_several_sets(tmp_path):
    first, second = (write(tmp_path / f"{name}.csv", "abc", rows) for name, rows in (("x", ROWS), ("y", ROWS * 3)))
    sets = ["data=mixed", "+data@data.sets.one=csv", "+data@data.sets.two=csv"]
    sets += [f"~data.sets.{name}" for name in ("digits", "tones", "pydoc")]
    more = ["encoder=vit", "decoder=cross_attention", "objective=reconstruct", "trainer.max_steps=2", *WORDS]
    more += ["trainer.max_epochs=-1"]

    def roots(a, b):
        return [f"data.sets.one.root={a}", f"data.sets.two.root={b}"]

    train(compose([*sets, *roots(first, second), *more]), str(tmp_path / "run"))
    train(compose([*sets, *roots(second, first), f"init_from={tmp_path}/run", *more]), str(tmp_path / "again"))
    before, after = (json.loads((tmp_path / name / "codecs.json").read_text()) for name in ("run", "again"))
    assert before == after and before.keys() == {"one", "two"}


def test_a_table_in_python_is_trained_evaluated_and_goes_on(tmp_path):
    run = sslp.pretrain(ROWS, corruption="noise+mask", steps=2, output=tmp_path / "run", options=QUICK)
    codec = run.model.codec
    assert codec.columns == ["1", "2", "3"] and 5e5 < codec.mean[1] < 1.5e6
    found = sslp.evaluate(run, 5 * ROWS, labels=LABELS, few_shot=(), seeds=1, limit=50)
    assert set(found.scores) == {"this encoder", "untrained encoder", "raw input", "majority class"}
    on = QUICK | {"resume": str(run.folder)}
    assert sslp.pretrain(ROWS, corruption="noise+mask", steps=3, options=on).model.codec == codec
    with pytest.raises(ValueError, match="learnt from the columns 1, 2, 3, and ndarray is read with 1, 2: pass"):
        sslp.evaluate(run, ROWS[:, :2], labels=LABELS)
