"""Edges between any parts of a sample: views of it, columns of its data set, itself."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from helpers.exports import EXPORT_ALL
from helpers.on_data import graph_on, graphs_on

import ssl_pipeline
from ssl_pipeline.config.build import build_part
from ssl_pipeline.config.compose import compose
from ssl_pipeline.config.parts import edges
from ssl_pipeline.data import captioned, digits, mixed
from ssl_pipeline.evaluation.cross_modal import relations
from ssl_pipeline.exporting import export_part
from ssl_pipeline.inference.inference import Inference
from ssl_pipeline.inference.learned import fills_only_holes, views_leading_to
from ssl_pipeline.inference.modules import names
from ssl_pipeline.report.dag import dag_svg
from ssl_pipeline.structures.nodes import Node
from ssl_pipeline.training import run

SMALL = ["encoder.width=24", "encoder.depth=1", "encoder.heads=2", "decoder.width=24", "decoder.depth=1"]
TEXTS = ["data=captioned", "data.length=8", "encoder=vit", "decoder=cross_attention", *SMALL]
SHORT = ["batch_size=16", "trainer.max_steps=2", "probe=none"]


def made(*overrides):
    config = compose([*TEXTS, *overrides])
    data = build_part("data", config["data"])
    return graph_on(config, data), data


def test_an_edge_needs_configuration_only():
    graph, data = made("corruption=echo", "edge={from: echo, to: text}")
    losses = graph(graph.corrupt(data.train[torch.arange(16)]))
    assert set(losses) == {"loss", "reconstruct/echo", "edge"}
    assert [*graph.columns] == ["text"] and graph.columns["text"].encoder is None
    assert graph.nodes[Node.view("text")] == ()
    losses["loss"].backward()
    assert all(p.grad is not None for p in graph.parameters() if p.requires_grad)


def test_a_column_that_is_a_start_has_an_encoder_on_the_shared_trunk():
    graph, data = made("corruption=echo", "edge={back: {from: text, to: echo}, forth: {from: echo, to: text}}")
    assert graph.columns["text"].encoder.trunk is graph.encoder.trunk
    losses = graph(graph.corrupt(data.train[torch.arange(16)]))
    losses["loss"].backward()
    assert all(p.grad is not None for p in graph.parameters() if p.requires_grad)
    names = [name for name, _ in graph.named_parameters()]
    assert len(names) == len({p for _, p in graph.named_parameters()})


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


def test_columns_meet_views_in_any_energy():
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


def test_patches_are_of_the_grid_of_the_samples():
    there_and_back = "edge={caption: {from: echo, to: text}, picture: {from: text, to: echo}}"
    graph, _ = made("corruption=echo", there_and_back, "encoder.patch=4", "decoder.patch=4")
    inference = Inference(graph)
    assert inference.decoder().patches.shape == (2, 2) and inference.decoder("text").patches.shape == (8,)
    assert graph.columns["text"].encoder.dense_shape == (8,)


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


def test_an_edge_from_several_parts_restores_none_of_them(several):
    model = ssl_pipeline.load(several)
    graph, _ = made("corruption=mask", "edge={from: [mask, text], to: clean}", "objective=none")
    assert views_leading_to(graph) == [] and "restorer:mask" not in names(graph)
    assert views_leading_to(model.graph) == ["mask", "lowres"]  # by reconstruct


def test_what_an_edge_makes_is_taken_everywhere():
    only = ["corruption=noise-mask", "objective=none", "edge={from: noise-mask, to: clean}"]
    assert not fills_only_holes(made(*only)[0], "noise-mask")
    assert fills_only_holes(made("corruption=noise-mask")[0], "noise-mask")


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


def test_several_data_sets_have_no_edges():
    config = compose(["data=mixed", "encoder=vit", "decoder=cross_attention", "edge={from: noise, to: text}"])
    with pytest.raises(ValueError, match="several"):
        graphs_on(config, mixed({"a": digits(), "b": digits()}))


def test_a_batch_without_the_column():
    graph, _ = made("corruption=echo", "edge={from: echo, to: text}")
    with pytest.raises(ValueError, match="column text"):
        graph(graph.corrupt(digits().train[torch.arange(4)]))


def test_one_edge_or_several():
    assert [*edges({"from": "a", "to": "b"})] == ["edge"]
    assert edges({"x": {"from": ["a", "b"], "to": "c", "weight": 2}})["x"]["start"] == ["a", "b"]
    assert edges({}) == {}


@pytest.mark.page
def test_a_run_is_loaded_and_asked(tmp_path):
    edge = "edge={caption: {from: echo, to: text}, picture: {from: text, to: echo}}"
    summary = run(compose([*TEXTS, "corruption=echo", edge, *SHORT[:2]]), str(tmp_path))
    assert summary["loss"] > 0 and summary["edge_exact/caption"] >= 0 and summary["supervised"]
    assert "picture, text of another" in (tmp_path / "report.html").read_text()
    model = ssl_pipeline.load(tmp_path)
    images = digits().test[torch.arange(3)].x
    symbols = model.relate("caption", {"echo": images})
    assert symbols.shape == (3, 8) and len(model.columns["text"].decode(symbols)) == 3
    assert model.relate("picture", {"text": ["1", "2"]}).shape == (2, 1, 8, 8)
    with pytest.raises(ValueError, match="no edge 'captoin'; nearest: caption"):
        model.relate("captoin", {"echo": images})
    with pytest.raises(ValueError, match="starts from echo, got text"):
        model.relate("caption", {"text": ["1"]})
    svg = dag_svg(model.graph)
    assert "caption" in svg and ">z text<" in svg


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """A run with edges from a view with holes, from a text, and from both; to a text, the samples and a view."""
    folder = tmp_path_factory.mktemp("several")
    edges = "edge={caption: {from: mask, to: text}, whole: {from: [mask, text], to: clean}, "
    edges += "blurred: {from: text, to: lowres}}"
    views = ["corruption=mask+lowres", "corruption.mask.ratio=0.5", "report.page=false"]
    run(compose([*TEXTS, *views, edges, *SHORT]), str(folder))
    return folder


def test_what_is_known_of_starts_is_told(several):
    """Holes of a view, padding of a text, the parameters of a damage to come."""
    model, images = ssl_pipeline.load(several), digits().test[torch.arange(4)].x
    holes = torch.zeros(4, 8, 8, dtype=torch.bool)
    holes[:, :4] = True
    filled = images.float() / 255
    filled[:, :, :4] = torch.nan  # what stands in a hole does not count
    assert torch.equal(
        model.relate("whole", {"mask": images.float() / 255, "text": list("1234")}, mask=holes),
        model.relate("whole", {"mask": filled, "text": list("1234")}, mask={"mask": holes}),
    )
    with pytest.raises(ValueError, match="view mask has holes: pass mask"):
        model.relate("caption", {"mask": images})
    with pytest.raises(ValueError, match="has no holes: leave out mask"):
        model.relate("blurred", {"text": ["7"]}, mask=holes[:1, 0], corruption_params={"factor": 2})
    with pytest.raises(ValueError, match="mask names 'msak', which is no start; nearest: mask"):
        model.relate("caption", {"mask": images}, mask={"msak": holes})
    with pytest.raises(ValueError, match="expected valid by the name of a start"):
        model.relate("whole", {"mask": images, "text": list("1234")}, mask=holes, valid=holes)
    part = model.part("edge:whole")
    with pytest.raises(ValueError, match="expected text_x, samples of text, got nothing"):
        part(mask_x=images.float(), mask_mask=holes)
    with pytest.raises(ValueError, match="no input 'nonsense'"):
        model.part("edge:caption")(x=images.float(), mask=holes, nonsense=images)
    with pytest.raises(ValueError, match="takes factor: pass corruption_params"):
        model.part("edge:blurred")(x=torch.zeros(1, 8, dtype=torch.int64))
    with pytest.raises(ValueError, match="view mask has holes: pass mask"):
        model.relate("caption", {"mask": images})
    with pytest.raises(ValueError, match="as many samples of each start, got mask 4, text 1"):
        model.relate("whole", {"mask": images, "text": "1"}, mask=holes)
    with pytest.raises(ValueError, match="starts from mask, text, got text"):
        model.relate("whole", {"text": "1"})
    one, other = (model.relate("blurred", {"text": ["7"]}, corruption_params={"factor": factor}) for factor in (2, 4))
    assert one.shape == (1, 1, 8, 8) and not torch.equal(one, other)
    with pytest.raises(ValueError, match=r"takes factor=\.\.\., got nothing"):
        model.relate("blurred", {"text": ["7"]})
    codes = model.columns["text"].encode(["7", "12345678"])
    assert torch.equal(
        model.relate("blurred", {"text": ["7", "12345678"]}, corruption_params={"factor": 2}),
        model.relate("blurred", {"text": codes[0]}, valid=codes[1], corruption_params={"factor": 2}),
    )


@pytest.mark.parametrize("edge", ["caption", "whole", "blurred"])
def test_an_edge_is_exported(edge, several, tmp_path):
    model = ssl_pipeline.load(several)
    assert f"edge:{edge}" in names(model.graph)
    differences = export_part(
        model, f"edge:{edge}", tmp_path / "out", summary={f"edge/{edge}": 0.25, "supervised": True}
    )
    assert [*differences.values()] == [0.0, 0.0]
    card = (tmp_path / "out/README.md").read_text()
    assert ("Samples of text: symbols on a grid of 8" in card) == (edge != "caption")
    assert "trained with what tells labels" in card and "It leads to " in card
    assert "loss 0.250" in card and ("text: samples" in card) == (edge == "whole")
    held = ssl_pipeline.load(tmp_path / "out")
    holes = {"mask": torch.zeros(8, 8, dtype=torch.bool)} if edge != "blurred" else {"corruption_params": {"factor": 3}}
    starts = {"mask": torch.rand(2, 1, 8, 8), "text": ["1", "2"]}
    starts = {name: starts[name] for name in model.part(f"edge:{edge}").sources}
    assert torch.equal(held.relate(edge, starts, **holes), model.relate(edge, starts, **holes))
    with pytest.raises(ValueError, match=f"holds the part edge:{edge} alone"):
        held.embed(torch.rand(2, 1, 8, 8))


def test_torch_exports_edges_from_one_part(several, tmp_path):
    with pytest.raises(ValueError, match=r"mask and text, .* take onnx"):
        export_part(ssl_pipeline.load(several), "edge:whole", tmp_path / "out", format="torch_export")


@pytest.mark.slow
@pytest.mark.parametrize("format", ["torch_export", "onnx"])
def test_edges_run_elsewhere(format, several, tmp_path):
    if format == "onnx":
        pytest.importorskip("onnxruntime")
    edges = [f"edge:{name}" for name in ("caption", "blurred", *(["whole"] if format == "onnx" else []))]
    words = [sys.executable, "-c", EXPORT_ALL, str(several), str(tmp_path), format, "", *edges]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
def test_captions_are_learned(tmp_path):
    """Pictures that training has not seen get the names of their digits, and without the picture the name is lost."""
    run(compose(["experiment=captions", "trainer.max_steps=400", "probe=none"]), str(tmp_path))
    model = ssl_pipeline.load(tmp_path)
    found = relations(model.graph, captioned(digits(), length=8).test)
    assert found["edge_exact/caption"] > 85
    assert found["edge_without/caption<echo"] > 5 * found["edge/caption"]
    assert found["edge_without/picture<text"] > 1.3 * found["edge/picture"]
