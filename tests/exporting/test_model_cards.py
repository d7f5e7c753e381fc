"""The card of an exported model says what it is, and its code works."""

from __future__ import annotations

import json

import pytest
import torch
from helpers.exports import X, folder_of_a_run

import ssl_pipeline
from ssl_pipeline.exporting import export_part
from ssl_pipeline.inference.example_inputs import examples


def test_the_card_says_in_words_what_was_passed_and_which_views_there_were(tmp_path):
    options = {"probe": "none", "report.page": False, "diagnostics.every": 0}
    x = X.repeat(5, 1, 1, 1)
    made = ssl_pipeline.pretrain(x, "simclr", steps=1, batch_size=4, output=tmp_path / "run", options=options)
    export_part(made.model, "encoder", tmp_path / "out")
    card = (tmp_path / "out/README.md").read_text()
    assert "on data passed in Python (tensor (20, 1, 8, 8)) with `corruption=crop+crop`" in card


def test_the_card_says_what_goes_in_and_what_was_measured(run, tmp_path):
    summary = json.loads((run / "summary.json").read_text())
    export_part(ssl_pipeline.load(run), "translator:noise-lowres", tmp_path / "out", summary=summary)
    card = (tmp_path / "out/README.md").read_text()
    assert (
        "`corruption_params` holds factor" in card
        and "8 (y) x 8 (x)" in card
        and "corruption=noise+lowres+mask" in card
    )
    assert "this encoder" not in card  # whose probes say nothing of a translator
    export_part(ssl_pipeline.load(run), "encoder", tmp_path / "encoder", summary=summary)
    card = (tmp_path / "encoder/README.md").read_text()
    assert "| this encoder | 81.2 | 84.5 |" in card and "| raw input | | 80.0 |" in card


@pytest.mark.parametrize("part", ["encoder", "restorer:mask", "translator:noise-lowres", "back@encoder.0", "decoder"])
def test_the_code_of_a_card_works_where_the_folder_is(part, run, tmp_path, monkeypatch):
    live = ssl_pipeline.load(run)
    export_part(live, part, tmp_path / "out")
    card = (tmp_path / "out/README.md").read_text()
    code = card.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path / "out")
    names: dict = {}
    exec(code, names)
    inputs = examples(live.part(part), 2)
    for name, wanted in inputs.items():
        assert (names[name].shape, names[name].dtype) == (wanted.shape, wanted.dtype)
        assert f"`{name}` (B, {', '.join(map(str, wanted.shape[1:]))}) {str(wanted.dtype)[6:]}" in card
    found = names[live.part(part).outputs[0]]
    with torch.no_grad():
        assert torch.equal(found, live.part(part)(**{name: names[name] for name in inputs}))
    assert not found.requires_grad and str(tmp_path) not in card


def test_a_timm_backbone_is_loaded_by_timm_itself(tmp_path):
    timm = pytest.importorskip("timm")
    run = folder_of_a_run(
        tmp_path / "run", "encoder=timm", "encoder.name=resnet10t", "corruption=crop+crop", "objective=info_nce"
    )
    live = ssl_pipeline.load(run)
    live.graph.encoder.view.table.data += 0.3  # as if trained
    export_part(live, "encoder", tmp_path / "out")
    line = next(line for line in (tmp_path / "out/README.md").read_text().splitlines() if "create_model" in line)
    theirs = eval(line.replace("timm.safetensors", str(tmp_path / "out/timm.safetensors")), {"timm": timm}).eval()
    mean, std = (
        torch.tensor([float((tmp_path / "out/README.md").read_text().split(f"{word} [")[1].split("]")[0])])
        for word in ("mean", "std")
    )
    with torch.no_grad():
        found = theirs((X - mean) / std)
    assert torch.allclose(found, live.embed(X), atol=1e-3)
