"""Weights of runs: loaded, taken over in part, refused."""

from __future__ import annotations

import shutil

import pytest
import torch
import yaml
from helpers.on_data import graph_on
from helpers.runs import configured

import ssl_pipeline
from ssl_pipeline.data import digits
from ssl_pipeline.graph.graph_set import GraphSet
from ssl_pipeline.inference.weights import load_weights, read_weights
from ssl_pipeline.training import run
from ssl_pipeline.training.graphs import start_from


def test_load_refuses_what_is_no_run_and_what_is_broken(finished, tmp_path):
    with pytest.raises(FileNotFoundError, match="no run's folder"):
        ssl_pipeline.load(tmp_path)
    (tmp_path / "config.yaml").write_text((finished[0] / "config.yaml").read_text())
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/last.ckpt").write_bytes((finished[0] / "checkpoints/last.ckpt").read_bytes()[:5000])
    with pytest.raises(ValueError, match="damaged or holds more than weights"):
        ssl_pipeline.load(tmp_path)


def test_a_run_that_is_older_than_some_keys_still_loads(finished, tmp_path):
    folder = shutil.copytree(finished[0], tmp_path / "old")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    del config["teacher"], config["diagnostics"]
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    x = torch.rand(3, 1, 8, 8)
    assert torch.equal(ssl_pipeline.load(folder).embed(x), ssl_pipeline.load(finished[0]).embed(x))


def test_init_from_takes_weights_and_nothing_else(finished, tmp_path):
    folder, _ = finished
    run(
        configured("trainer.max_steps=1", f"init_from={folder}", "optimizer.lr=1e-12", "probe=none"),
        str(tmp_path / "a"),
    )
    old, new = read_weights(folder), read_weights(tmp_path / "a")
    torch.testing.assert_close(new["encoder.stem.weight"], old["encoder.stem.weight"], rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match=r"not fit .*another shape: decoders.*\(8,.*init_partial=true"):
        run(configured("encoder.widths=[8,24]", f"init_from={folder}", "probe=none"), str(tmp_path / "b"))
    run(
        configured(
            "encoder.widths=[8,24]", f"init_from={folder}", "init_partial=true", "trainer.max_steps=1", "probe=none"
        ),
        str(tmp_path / "c"),
    )


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (["objective=byol"], ["objective=byol", "teacher=ema"], "missing: teacher (44 weights)"),
        (["objective=byol", "teacher=ema"], ["objective=byol"], "unused: teacher (44 weights)"),
        (
            ["objective=byol", "teacher=ema"],
            ["objective=moco", "teacher=ema"],
            "missing: objective.terms.moco (4 weights), teacher.copies.head_moco (2 weights); "
            "unused: objective.terms.byol (18 weights), teacher.copies.head_byol (9 weights)",
        ),
        (
            ["objective=info_nce"],
            ["objective=info_nce", "objective.info_nce.projector.out=16"],
            "of another shape: objective.terms.info_nce.projector.4.bias is (128,) and should be (16,), "
            "objective.terms.info_nce.projector.4.weight is (128, 256) and should be (16, 256)",
        ),
    ],
    ids=["no teacher", "a teacher", "another head", "a smaller head"],
)
def test_weights_that_do_not_fit_are_named_by_part(old, new, sentence, tmp_path):
    theirs, ours = (graph_on(configured("corruption=crop+crop", *options), digits()) for options in (old, new))
    (tmp_path / "checkpoints").mkdir()
    weights = {f"graph.{name}": value for name, value in theirs.state_dict().items()}
    torch.save({"state_dict": weights}, tmp_path / "checkpoints/last.ckpt")
    with pytest.raises(ValueError) as caught:
        load_weights(ours, tmp_path)
    advice = "take the same configuration, or set init_partial=true to load what fits"
    assert str(caught.value) == f"init_from={tmp_path}: the weights do not fit this graph ({sentence}): {advice}"
    missing = load_weights(ours, tmp_path, partial=True)
    assert missing == sorted(name for name, value in ours.state_dict().items() if not _same(name, value, weights))


def test_of_a_teacher_that_was_loaded_in_part_the_rest_is_as_what_it_teaches(tmp_path):
    theirs, ours = (
        graph_on(configured("corruption=crop+crop", "teacher=ema", f"objective={name}"), digits())
        for name in ("byol", "moco")
    )
    (tmp_path / "checkpoints").mkdir()
    with torch.no_grad():
        for parameter in theirs.teacher.parameters():
            parameter.add_(1)
    weights = {f"graph.{name}": value for name, value in theirs.state_dict().items()}
    torch.save({"state_dict": weights}, tmp_path / "checkpoints/last.ckpt")
    start_from(GraphSet.of(ours), tmp_path, partial=True)
    loaded, copies = theirs.teacher.copies, ours.teacher.copies
    assert all(torch.equal(v, loaded["encoder"].state_dict()[k]) for k, v in copies["encoder"].state_dict().items())
    head = ours.objective.terms["moco"].projector.state_dict()
    assert all(torch.equal(v, head[k]) for k, v in copies["head_moco"].state_dict().items())


def _same(name, value, weights):
    return f"graph.{name}" in weights and torch.equal(weights[f"graph.{name}"], value)
