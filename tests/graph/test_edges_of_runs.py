"""Edges of runs: loaded, asked and exported."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from helpers.captioned_graphs import SHORT, TEXTS, made
from helpers.exports import EXPORT_ALL

import ssl_pipeline
from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import captioned, digits
from ssl_pipeline.evaluation.cross_modal import relations
from ssl_pipeline.exporting import export_part
from ssl_pipeline.inference.learned import views_leading_to
from ssl_pipeline.inference.modules import names
from ssl_pipeline.report.dag import dag_svg
from ssl_pipeline.training import run


def test_an_edge_from_several_parts_restores_none_of_them(several):
    model = ssl_pipeline.load(several)
    graph, _ = made("corruption=mask", "edge={from: [mask, text], to: clean}", "objective=none")
    assert views_leading_to(graph) == [] and "restorer:mask" not in names(graph)
    assert views_leading_to(model.graph) == ["mask", "lowres"]  # by reconstruct


@pytest.mark.slow
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
    with pytest.raises(ValueError, match="view mask is masked: pass mask"):
        model.relate("caption", {"mask": images})
    with pytest.raises(ValueError, match="is not masked: leave out mask"):
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
    with pytest.raises(ValueError, match="view mask is masked: pass mask"):
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
    assert ("## How files become samples of text" in card) == (edge == "whole")
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
