"""Edges between any parts of a sample: views of it, columns of its data set, itself."""

from __future__ import annotations

import pytest
import torch
from helpers.captioned_graphs import made
from helpers.on_data import graphs_on

from ssl_pipeline.config.compose import compose
from ssl_pipeline.config.parts import edges
from ssl_pipeline.data import digits, mixed
from ssl_pipeline.evaluation.cross_modal import relations
from ssl_pipeline.inference.inference import Inference
from ssl_pipeline.inference.learned import fills_only_masked
from ssl_pipeline.structures.nodes import Node


def test_an_edge_needs_configuration_only():
    graph, data = made("corruption=echo", "edge={from: echo, to: text}")
    losses = graph(graph.corrupt(data.train[torch.arange(16)]))
    assert set(losses) == {"loss", "reconstruct/echo", "edge"}
    assert [*graph.columns] == ["text"] and graph.columns["text"].encoder is None
    assert graph.nodes[Node.view("text")] == ()
    losses["loss"].backward()
    assert all(p.grad is not None for p in graph.parameters() if p.requires_grad)


def test_starts_are_read_together():
    """From a noisy view and its text: what one of them is of another sample changes what comes out."""
    graph, data = made("corruption=noise", "edge={from: [noise, text], to: clean}", "objective=none")
    graph.eval()
    found = relations(graph, data.test, samples=32, batch_size=16)
    assert found.keys() == {"edge/edge", "edge_without/edge<noise", "edge_without/edge<text"}
    assert len(set(found.values())) == 3


def test_an_edge_from_a_view_that_only_some_samples_pass():
    graph, data = made("corruption=echo+noise", "views_per_step=1", "edge={from: noise, to: text}")
    batch = data.train[torch.arange(16)]
    corrupted = graph.corrupt(batch, step=3)
    rows = corrupted.assignment.rows["noise"]
    seen = graph.eval()(corrupted)["edge"]
    texts = {"text": batch.columns["text"].of(lambda x: x[rows])}
    some = graph.corrupt(batch._replace(x=batch.x[rows], source=batch.source[rows], columns=texts), whole=True)
    some = some._replace(views={**some.views, "noise": corrupted.views["noise"]})
    torch.testing.assert_close(seen, graph(some)["edge"])


def test_patches_are_of_the_grid_of_the_samples():
    there_and_back = "edge={caption: {from: echo, to: text}, picture: {from: text, to: echo}}"
    graph, _ = made("corruption=echo", there_and_back, "encoder.patch=4", "decoder.patch=4")
    inference = Inference(graph)
    assert inference.decoder().patches.shape == (2, 2) and inference.decoder("text").patches.shape == (8,)
    assert graph.columns["text"].encoder.dense_shape == (8,)


def test_what_an_edge_makes_is_taken_everywhere():
    only = ["corruption=noise-mask", "objective=none", "edge={from: noise-mask, to: clean}"]
    assert not fills_only_masked(made(*only)[0], "noise-mask")
    assert fills_only_masked(made("corruption=noise-mask")[0], "noise-mask")


def test_several_data_sets_have_no_edges():
    config = compose(["data=mixed", "encoder=vit", "decoder=cross_attention", "edge={from: noise, to: text}"])
    with pytest.raises(ValueError, match="several"):
        graphs_on(config, mixed({"a": digits(), "b": digits()}))


def test_one_edge_or_several():
    assert [*edges({"from": "a", "to": "b"})] == ["edge"]
    assert edges({"x": {"from": ["a", "b"], "to": "c", "weight": 2}})["x"]["start"] == ["a", "b"]
    assert edges({}) == {}
