"""Columns of the data: their models, and the losses that reach them."""

from __future__ import annotations

import pytest
import torch
from helpers.captioned_graphs import SMALL, TEXTS, made
from helpers.on_data import graph_on

from ssl_pipeline.config.build import build_part
from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import digits
from ssl_pipeline.inference.inference import Inference


def test_a_column_that_is_a_start_has_an_encoder_on_the_shared_trunk():
    graph, data = made("corruption=echo", "edge={back: {from: text, to: echo}, forth: {from: echo, to: text}}")
    assert graph.columns["text"].encoder.trunk is graph.encoder.trunk
    losses = graph(graph.corrupt(data.train[torch.arange(16)]))
    losses["loss"].backward()
    assert all(p.grad is not None for p in graph.parameters() if p.requires_grad)
    names = [name for name, _ in graph.named_parameters()]
    assert len(names) == len({p for _, p in graph.named_parameters()})


@pytest.mark.parametrize(
    "overrides",
    [
        ["objective=cross_entropy", "objective.cross_entropy.to=text"],
        ["objective=reconstruct+info_nce", "objective.info_nce.views=[noise_1, text]"],
        ["objective=reconstruct+byol", "objective.byol.views=[noise_1, text]", "objective.byol.targets=[noise_1]"],
        ["edge={from: text, to: clean}"],
        ["edge={from: text, to: noise_1}"],
        ["edge={from: [noise_1, text], to: clean}"],
    ],
)
def test_a_column_belongs_to_the_samples_of_every_view(overrides, monkeypatch):
    """Where samples pass some views only, what is compared belongs to one sample, as where they pass all."""
    still = [f"corruption.{view}.sigma=[0.0001,0.0001]" for view in ("noise_1", "noise_2")]
    graph, data = made("corruption=noise+noise", "views_per_step=1", *still, *overrides)
    batch = data.train[torch.stack([(data.train.labels == digit).nonzero()[0, 0] for digit in range(10)])]
    (name, term), seen = graph.eval().objective.named()[-1], []
    monkeypatch.setattr(term.loss, "forward", lambda *pair: seen.append(pair[:2]) or torch.zeros(()))
    for whole in (False, True):
        graph(graph.corrupt(batch, whole=whole))
    count = len(seen) // 2
    assert len(graph.edges[name]) in (count, 2 * count)
    for some, every in zip(seen[:count], seen[count:], strict=True):
        samples = [
            torch.cdist(a.flatten(1).float(), b.flatten(1).float()).argmin(1) for a, b in zip(some, every, strict=True)
        ]
        assert torch.equal(*samples) and len(samples[0].unique()) == len(samples[0]) in (5, 10)


def test_columns_meet_views_in_any_loss():
    """CLIP: the text finds its picture."""
    graph, data = made("corruption=crop", "objective=info_nce", "objective.info_nce.views=[crop, text]")
    losses = graph(graph.corrupt(data.train[torch.arange(16)]))
    assert set(losses) == {"loss", "info_nce/crop~text"}
    losses["loss"].backward()
    assert graph.columns["text"].encoder.stem.embed.weight.grad is not None


def test_models_of_a_column_of_its_own():
    graph, _ = made(
        "corruption=echo",
        "edge={from: text, to: echo}",
        "+encoder@columns.text.encoder=vit",
        "columns.text.encoder.width=24",
        "columns.text.encoder.heads=2",
        "columns.text.encoder.depth=2",
    )
    assert len(graph.columns["text"].encoder.trunk.blocks) == 2 and len(graph.encoder.trunk.blocks) == 1
    with pytest.raises(ValueError, match="make them alike"):
        made("corruption=echo", "edge={from: text, to: echo}", "+encoder@columns.text.encoder=vit")
    alone = ["+encoder@columns.text.encoder=vit", "columns.text.encoder.width=24"]
    with pytest.raises(ValueError, match=r"columns.text.encoder would not be used: no loss starts from it"):
        made("corruption=echo", "edge={from: echo, to: text}", *alone)
    with pytest.raises(ValueError, match=r"columns.text.decoder would not be used: no loss leads to it"):
        made("corruption=echo", "edge={from: text, to: clean}", "+decoder@columns.text.decoder=cross_attention")
    with pytest.raises(ValueError, match=r"no loss reaches that column"):
        made("corruption=echo", *alone)
    with pytest.raises(ValueError, match=r"the data has no column 'txet'; nearest: text"):
        made("corruption=echo", "edge={from: echo, to: text}", "+encoder@columns.txet.encoder=vit")
    with pytest.raises(ValueError, match=r"columns.text has no option 'encodr'"):
        made("corruption=echo", "edge={from: text, to: echo}", "columns={text: {encodr: 1}}")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["columns=nonsense"], r"columns=nonsense: expected \{NAME: \{encoder: ..., decoder"),
        (["columns={text: {encoder: 3}}"], r"columns.text.encoder is no model: choose one with \+encoder@columns.text"),
        (["edge=nonsense"], r"edge=nonsense: expected \{from: ..., to: ...\}, or several"),
        (["edge={from: echo}"], r"expected \{from: ..., to: ...\}"),
        (["edge={from: ecko, to: text}"], "no column 'ecko'; nearest: echo"),
        (["edge={from: echo, to: txet}"], "no column 'txet'; nearest: text"),
        (["edge={from: echo, to: echo}"], "to another one"),
        (["edge={from: echo, to: text, wieght: 2}"], "no option 'wieght'; nearest: weight"),
        (["edge={reconstruct: {from: echo, to: text}}"], "name of a term"),
        (["edge={from: echo, to: text, loss: mse}"], "does not compare symbols"),
        (
            ["objective=reconstruct+byol", "objective.byol.views=[echo]", "objective.byol.targets=[text]"],
            "a grid of its own and has no teacher",
        ),
        (
            ["edge={from: [echo, noise], to: text}", "corruption=echo+noise", "views_per_step=1"],
            "edge edge joins .*views_per_step=all",
        ),
    ],
)
def test_what_cannot_be_is_said(wrong, said):
    with pytest.raises(ValueError, match=said):
        made("corruption=echo", *wrong)


def test_one_decoder_leads_from_a_latent_to_one_thing():
    world = ["data=pendulum", "data.episodes=12", "data.length=20", "data.steps=1", "corruption=echo", *TEXTS[2:]]

    def made(*overrides):
        config = compose([*world, "edge={from: echo, to: next}", *overrides])
        return graph_on(config, build_part("data", config["data"]))

    def decoders(*overrides):
        return Inference(made(*overrides)).decoders

    with pytest.raises(
        ValueError, match=r"echo leads to clean and to next .*\+decoder@columns.next.decoder=cross_attention"
    ):
        made()
    own = decoders(
        "+decoder@columns.next.decoder=cross_attention", "columns.next.decoder.width=24", "columns.next.decoder.heads=2"
    )
    assert own["next"] is not own["clean"]
    shared = decoders("objective=none")
    assert shared["next"] is shared["clean"]


@pytest.mark.parametrize(
    "overrides",
    [
        ["corruption=echo", "edge={from: [echo, action], to: next}", "objective=none"],
        ["corruption=mask", "edge={from: mask, to: next}", "objective=none"],
        ["corruption=mask", "objective=transition+vicreg", "objective.vicreg.views=[mask,next]"],
    ],
)
def test_a_convolutional_decoder_to_a_column_like_the_samples(overrides):
    config = compose(["data=pendulum", "data.episodes=12", "data.length=20", "encoder=vit", "decoder=conv", *overrides])
    with pytest.raises(ValueError, match="the decoder to clean needs a latent that covers the grid"):
        graph_on(config, build_part("data", config["data"]))


def test_columns_meet_without_a_decoder():
    contrast = ["corruption=crop", "objective=info_nce", "objective.info_nce.views=[crop, text]"]
    config = compose(["data=captioned", "encoder=vit", "~decoder", *SMALL[:3], *contrast])
    data = build_part("data", config["data"])
    graph = graph_on(config, data)
    losses = graph(graph.corrupt(data.train[torch.arange(8)]))
    assert [name for name in losses if name != "loss"] == ["info_nce/crop~text"]
    losses["loss"].backward()
    assert all(p.grad is not None for p in graph.parameters() if p.requires_grad)


@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        (["edge={from: text, to: clean}"], "made of text"),
        (["edge={from: [echo, text], to: clean}"], "made of echo and text"),
    ],
)
def test_a_convolutional_decoder_needs_the_grid_of_the_samples(overrides, why):
    conv = ["encoder=conv", "decoder=conv", "+encoder@columns.text.encoder=vit", "columns.text.encoder.width=32"]
    conv = [
        *conv,
        "encoder.pool=1",
        "encoder.widths=[16,32]",
        "columns.text.encoder.heads=2",
        "columns.text.encoder.depth=1",
    ]
    config = compose(["data=captioned", "data.length=8", "corruption=echo", *conv, *overrides])
    with pytest.raises(ValueError, match=f"covers the grid, and .* {why}: set decoder=cross_attention"):
        graph_on(config, build_part("data", config["data"]))


def test_a_batch_without_the_column():
    graph, _ = made("corruption=echo", "edge={from: echo, to: text}")
    with pytest.raises(ValueError, match="column text"):
        graph(graph.corrupt(digits().train[torch.arange(4)]))
