"""The graph is drawn: of a configuration, a run, or data of one's own."""

from __future__ import annotations

import html
import re

import pytest
from helpers.build import build
from helpers.small_models import CONV, VIT

from ssl_pipeline.cli import main as cli
from ssl_pipeline.commands import draw_dag
from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import digits
from ssl_pipeline.report import dag_svg


@pytest.mark.parametrize(
    "words",
    [
        ["corruption=mask+noise-lowres", "objective=reconstruct+align"],
        ["corruption=crop+crop+mask", "objective=info_nce"],
        ["corruption=crop+crop", "objective=byol", "teacher=ema"],
        ["corruption=crop+crop+mask", "objective=info_nce+info_nce+reconstruct+l1"],
        ["corruption=noise+lowres", "objective=reconstruct+reconstruct", "objective.reconstruct_2.to=views"],
        [*VIT, "latent=slots", "latent.heads=2", "latent.fuse=mean", "corruption=mask+noise"],
    ],
)
def test_every_node_and_edge_is_drawn(words):
    graph = build(compose([*CONV, *words] if words[0][:7] != "encoder" else words), digits().grid)
    svg = dag_svg(graph)
    for edges in graph.edges.values():
        for edge in edges:
            assert f"<title>{html.escape(edge.name)}</title>" in svg
    lines = re.findall(r'<path d="([^"]+)" fill="none" stroke="#(?!999)', svg)
    assert len(lines) == len(set(lines)) > 0  # no edge lies on another
    heads = [term for term in graph.objective.terms.values() if any(p.numel() for p in term.parameters())]
    assert svg.count("; ■ projector ") == sum(hasattr(term, "projector") for term in heads)
    for view in graph.corruptions:
        assert f">{view.replace('-', ' → ')}</text>" in svg
    assert svg.count(">decoder</text>") == len(graph.decoders)
    assert svg.count(">teacher ") == sum(node.kind == "teacher" for node in graph.nodes)
    for term in graph.edges:
        assert f">{term}: " in svg


def test_the_graph_of_a_configuration_is_drawn(tmp_path, capsys):
    file = tmp_path / "pictures/dag.svg"
    assert cli.main(["draw_dag", *CONV, "corruption=mask+noise", f"out={file}"]) == 0
    assert file.read_text().startswith("<svg") and "z noise" in file.read_text()
    assert cli.main(["draw_dag", "corruption=nois", f"out={file}"]) == 1
    assert "noise" in capsys.readouterr().err
    assert cli.main(["draw_dag", *CONV, f"out={tmp_path}/dag.png"]) == 1
    assert "name a file that ends in .svg" in capsys.readouterr().err


def test_the_graph_of_a_run_is_drawn(images, tmp_path, capsys):
    file = tmp_path / "dag.svg"
    assert cli.main(["draw_dag", f"run={images}", f"out={file}"]) == 0
    assert "<title>" in file.read_text()
    assert cli.main(["draw_dag", f"run={images}", "corruption=mask", f"out={file}"]) == 1
    assert "a run has its own options" in capsys.readouterr().err


def test_a_data_set_of_ones_own_is_drawn(tmp_path, monkeypatch, capsys):
    (tmp_path / "mydata.py").write_text("from ssl_pipeline.data import digits\n\ndef mine():\n    return digits()\n")
    monkeypatch.syspath_prepend(tmp_path)
    words = ["draw_dag", "trust=[mydata]", "data={type:mydata.mine}", f"out={tmp_path}/dag.svg"]
    assert cli.main(words) == 0, capsys.readouterr().err
    options = {"trust": ["mydata"], "data": {"type": "mydata.mine"}}
    assert draw_dag(options, out=tmp_path / "python.svg").is_file()
