"""Several kinds of data in one run."""

from __future__ import annotations

import json

import pytest
import torch
from helpers.mixed_data import SMALL, images, words
from helpers.on_data import graph_on, graphs_on
from helpers.paths import ROOT
from safetensors.torch import load_file

import ssl_pipeline
from ssl_pipeline.config.build import build_part
from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import DataSets, mixed
from ssl_pipeline.exporting import export_part
from ssl_pipeline.graph.builder import GraphFactory
from ssl_pipeline.graph.graph_set import GraphSet
from ssl_pipeline.training import run
from ssl_pipeline.training.hardware import Hardware
from ssl_pipeline.training.module import PretrainModule


def test_sets_take_turns_by_the_step_number():
    both = mixed({"images": images(50), "words": words(24)})
    batches = both.train.batches(8, seed=0, step=0, rank=0, world=1)
    all_at_once = [next(batches) for _ in range(20)]
    assert [batch.x.ndim for batch in all_at_once] == [4, 2] * 10
    from_the_middle = both.train.batches(8, seed=0, step=7, rank=0, world=1)
    for batch in all_at_once[7:]:
        assert torch.equal(next(from_the_middle).source, batch.source)
    ranks = [both.train.batches(8, seed=0, step=0, rank=rank, world=2) for rank in (0, 1)]
    for batch in all_at_once:
        assert torch.cat([next(rank).source for rank in ranks]).tolist() == batch.source.tolist()
    # Three steps are an epoch of the 24 words: each comes once.
    assert sorted(torch.cat([b.source for b in all_at_once[1:7:2]]).tolist()) == list(range(24))


def test_a_set_that_is_too_small_is_named_at_once():
    both = mixed({"images": images(50), "words": words(24)})
    with pytest.raises(ValueError, match=r"data\.sets\.words: batch_size=32 is larger than the 24"):
        next(both.train.batches(32, seed=0, step=0, rank=0, world=1))


def test_what_does_not_depend_on_the_grid_is_shared():
    graphs = graphs_on(compose(SMALL), mixed({"images": images(50), "words": words(24)}))
    image, word = graphs["images"], graphs["words"]
    assert image.encoder.trunk is word.encoder.trunk and image.latent is word.latent
    assert image.encoder.stem is not word.encoder.stem
    assert list(image.objective.terms) == ["reconstruct"] and list(word.objective.terms) == ["cross_entropy"]
    assert [graphs.at(step)[0] for step in range(4)] == ["images", "words", "images", "words"]


def test_terms_between_embeddings_share_their_heads_and_terms_of_tokens_fit_any_grid():
    options = [*SMALL, "corruption=mask+crop", "objective=byol+jepa", "encoder.patch=1"]
    graphs = graphs_on(compose(options), mixed({"images": images(50), "words": words(24)}))
    image, word = (graphs[name].objective.terms for name in ("images", "words"))
    assert [*image] == [*word] == ["byol", "jepa"]
    assert image["byol"].projector is word["byol"].projector and image["byol"].predictor is word["byol"].predictor
    assert image["jepa"].predictor is not word["jepa"].predictor


def test_one_graph_is_a_set_of_one():
    graph = graph_on(compose(["corruption=mask+noise"]), images(50))
    module = PretrainModule(graph)
    assert module.graph is graph is module.graphs.only and GraphSet.of(module.graphs) is module.graphs
    assert all(name.startswith("graph.") and "data" not in name for name in module.state_dict())
    (name,) = module.graphs
    assert module.graphs.at(3) == (name, graph) and module.graphs.prefix(name) == ""
    assert [*module.graphs.parameters()] == [*graph.parameters()]


def test_weights_of_several_graphs_are_called_after_their_data_sets():
    graphs = graphs_on(compose(SMALL), mixed({"images": images(50), "words": words(24)}))
    names = {".".join(name.split(".")[:3]) for name in PretrainModule(graphs).state_dict()}
    assert {"graph.images.encoder", "graph.words.encoder"} <= names
    with pytest.raises(ValueError, match="expected one data set, got images, words: name one of them"):
        _ = graphs.only


def test_several_graphs_need_weights_to_share():
    graph = GraphFactory(compose(SMALL)).graph()
    with pytest.raises(ValueError, match="bind each to its data first"):
        GraphSet({"images": graph, "words": graph})


def test_one_data_set_is_a_set_of_one():
    data = images(50)
    sets = DataSets.of(data)
    assert [*sets] == ["images"] and sets.only is data and sets.train is data.train and DataSets.of(sets) is sets
    with pytest.raises(ValueError, match="expected one data set at least"):
        DataSets({})


def test_a_trunk_is_needed():
    config, both = compose(["corruption=mask+noise"]), mixed({"one": images(50), "two": images(50)})
    with pytest.raises(ValueError, match="no trunk that several kinds of data can share: take encoder=vit"):
        graphs_on(config, both)
    with pytest.raises(ValueError, match="at least two sets"):
        mixed({"images": images(5)})


@pytest.mark.slow
def test_one_run_on_images_sound_and_text(tmp_path):
    sizes = ["data.sets.tones.samples=240", "data.sets.pydoc.length=32"]
    config = compose([*SMALL, *sizes, "trainer.max_steps=9", "trainer.log_every_n_steps=3"])
    summary = run(config, str(tmp_path))
    assert set(summary["sets"]) == {"digits", "tones", "pydoc"}
    assert summary["sets"]["digits"]["knn_raw"] > 90
    assert "reconstruction/mask" in summary["sets"]["tones"] and "accuracy/mask" in summary["sets"]["pydoc"]
    names = (tmp_path / "metrics.csv").read_text()
    for edge in ("digits/reconstruct/mask", "tones/reconstruct/noise", "pydoc/cross_entropy/mask"):
        assert edge in names
    text = ssl_pipeline.load(tmp_path, "pydoc")
    assert text.embed(["import this", "a longer sentence about nothing"]).shape == (2, 32)
    image = ssl_pipeline.load(tmp_path, "digits")
    data = build_part("data", config["data"]["sets"]["digits"])
    assert image.embed(data.test[range(3)].x).shape == (3, 32)
    assert torch.equal(image.graph.encoder.trunk.norm.weight, text.graph.encoder.trunk.norm.weight)
    with pytest.raises(ValueError, match="trained on digits, tones, pydoc"):
        ssl_pipeline.load(tmp_path)
    export_part(image, "restorer:noise", tmp_path / "out")
    held, x = ssl_pipeline.load(tmp_path / "out"), data.test[range(3)].x
    assert torch.equal(held.restore(x, "noise"), image.restore(x, "noise")) and held.data == "digits"
    assert load_file(tmp_path / "out/weights.safetensors").keys() <= image.graph.state_dict().keys()
    with pytest.raises(ValueError, match=r"data=pydoc: .* holds a part of digits alone"):
        ssl_pipeline.load(tmp_path / "out", "pydoc")
    assert json.loads((tmp_path / "codecs.json").read_text()).keys() == {"digits", "tones", "pydoc"}


def test_a_mixed_run_goes_on_where_it_stopped(tmp_path):
    small = [*SMALL, "data.sets.tones.samples=240", "data.sets.pydoc.length=32", "probe=none"]
    small.remove("probe.online=0")
    small = [word for word in small if not word.startswith("probe.protocol.")]
    run(compose([*small, "trainer.max_steps=7"]), str(tmp_path / "whole"))
    # The schedule follows the bound, so both sittings have the same one and the first is cut short from outside.
    with pytest.raises(KeyboardInterrupt):
        _stopped_after(4, compose([*small, "trainer.max_steps=7"]), tmp_path / "parts")
    run(compose([*small, "trainer.max_steps=7"]) | {"resume": str(tmp_path / "parts")}, "")
    whole, parts = (ssl_pipeline.load(tmp_path / name, "tones").graph.state_dict() for name in ("whole", "parts"))
    for key, value in whole.items():
        assert torch.equal(value, parts[key]), key


def _stopped_after(steps, config, folder):
    import os
    import signal

    from ssl_pipeline.training.module import PretrainModule

    original = PretrainModule.training_step

    def step(self, batch, batch_idx):
        if self.trainer.global_step == steps - 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, batch, batch_idx)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PretrainModule, "training_step", step)
        run(config, str(folder))


@pytest.mark.parametrize(
    ("options", "strategy"),
    [
        ({"accelerator": "cpu", "devices": 2, "strategy": "ddp"}, "ddp_find_unused_parameters_true"),
        ({"accelerator": "cpu", "devices": 2}, "ddp_find_unused_parameters_true"),
        ({"accelerator": "cpu", "devices": 1}, "auto"),
    ],
)
def test_ddp_is_told_that_steps_are_partial(options, strategy):
    assert Hardware(**options).options(partial_steps=True)["strategy"] == strategy
    assert Hardware(**options).options()["strategy"] == options.get("strategy", "auto")


def test_graphs_that_take_turns_are_not_sharded():
    with pytest.raises(ValueError, match=r"fsdp shards one graph, and several data sets have one each: take ddp"):
        Hardware(accelerator="cpu", devices=2, strategy="fsdp").options(partial_steps=True)


@pytest.mark.slow
def test_two_processes_train_the_same_mixed_weights(tmp_path):
    import os
    import subprocess
    import sys

    common = [*SMALL, "data.sets.tones.samples=240", "data.sets.pydoc.length=32", "probe=none", "trainer.max_steps=6"]
    common = [o for o in common if not o.startswith("probe.")]
    # Views drawn per rank would differ, so only what is not random is compared.
    common += ["corruption=echo", "hardware.precision=32-true", "optimizer.warmup=0.0"]
    for name, more in (("one", ["hardware=cpu"]), ("two", ["hardware=ddp_cpu"])):
        done = subprocess.run(
            [sys.executable, str(ROOT / "train.py"), *common, *more, f"hydra.run.dir={tmp_path / name}"],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
    one, two = (ssl_pipeline.load(tmp_path / name, "pydoc").graph.state_dict() for name in ("one", "two"))
    for key, value in one.items():
        if not key.endswith(("key_value.bias", "qkv.bias")):  # of keys it changes nothing, so Adam follows rounding
            torch.testing.assert_close(two[key], value, rtol=1e-3, atol=1e-4, msg=key)
