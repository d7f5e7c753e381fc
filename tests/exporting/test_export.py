"""One model of a run in a folder of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from helpers.exports import CONV, EXPORT_ALL, IMAGE, folder_of_a_run, ssl
from safetensors.torch import load_file, save_file

import ssl_pipeline
from ssl_pipeline.data import Bytes, Waveform
from ssl_pipeline.exporting import export_part
from ssl_pipeline.inference.example_inputs import examples

VIT = [
    "encoder=vit",
    "decoder=cross_attention",
    "encoder.width=24",
    "encoder.depth=2",
    "encoder.heads=2",
    "decoder.width=16",
]
VIT += ["decoder.heads=2"]


TRANSLATOR = ["objective=reconstruct+reconstruct", "objective.reconstruct_2.to=lowres"]
X = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return folder_of_a_run(tmp_path_factory.mktemp("conv") / "run", *CONV, *TRANSLATOR, "corruption=noise+lowres+mask")


PARTS = ["encoder", "restorer:mask", "translator:noise-lowres", "front@encoder.0", "back@encoder.0", "front@latent"]
PARTS += ["back@decoder.0", "decoder"]


def test_the_card_says_in_words_what_was_passed_and_which_views_there_were(tmp_path):
    options = {"probe": "none", "report.page": False, "diagnostics.every": 0}
    x = X.repeat(5, 1, 1, 1)
    made = ssl_pipeline.pretrain(x, "simclr", steps=1, batch_size=4, output=tmp_path / "run", options=options)
    export_part(made.model, "encoder", tmp_path / "out")
    card = (tmp_path / "out/README.md").read_text()
    assert "on data passed in Python (tensor (20, 1, 8, 8)) with `corruption=crop+crop`" in card


@pytest.mark.parametrize("part", PARTS)
def test_an_exported_folder_is_that_model_and_holds_no_other_weights(part, run, tmp_path):
    live = ssl_pipeline.load(run)
    differences = export_part(live, part, tmp_path / "out", "noise" if "@" in part else None)
    assert list(differences.values()) == [0.0, 0.0]
    held = ssl_pipeline.load(tmp_path / "out")
    inputs = examples(live.part(part, "noise" if "@" in part else None), 3, seed=7)
    with torch.no_grad():
        wanted, found = live.part(part, "noise" if "@" in part else None)(**inputs), held.part()(**inputs)
    assert torch.equal(wanted, found)
    weights = load_file(tmp_path / "out/weights.safetensors")
    assert weights.keys() == held.part().state_dict().keys() < live.graph.state_dict().keys()
    for name, weight in held.part().state_dict().items():  # and each of them counts
        if weight.is_floating_point() and (part == "encoder" or "encoder.standard" not in name):  # of embeddings alone
            weight.fill_(torch.nan)
            with torch.no_grad():
                assert not torch.equal(held.part()(**inputs), wanted), name
            weight.copy_(weights[name])
    with pytest.raises(ValueError, match=f"holds the part {part} alone and no graph"):
        _ = held.graph


def test_an_exported_folder_does_what_it_holds_and_nothing_else(run, tmp_path):
    live = ssl_pipeline.load(run)
    export_part(live, "encoder", tmp_path / "encoder")
    export_part(live, "restorer:noise", tmp_path / "restorer")
    encoder, restorer = ssl_pipeline.load(tmp_path / "encoder"), ssl_pipeline.load(str(tmp_path / "restorer"))
    assert torch.equal(encoder.embed(X), live.embed(X)) and torch.equal(
        restorer.restore(X, "noise"), live.restore(X, "noise")
    )
    for call in (
        lambda: encoder.restore(X, "noise"),
        lambda: restorer.embed(X),
        lambda: encoder.embed(X, view="noise"),
    ):
        with pytest.raises(ValueError, match=r"this folder holds the part .* alone"):
            call()
    (tmp_path / "image.png").write_bytes(b"")
    IMAGE.write(tmp_path / "image", X[0])
    assert torch.allclose(encoder.embed([tmp_path / "image.png"]), live.embed((X[:1] * 255).round().byte()))


def test_the_slow_copy_of_an_encoder_is_exported_without_the_quick_one(tmp_path):
    run = folder_of_a_run(tmp_path / "run", *CONV, "corruption=crop+crop", "objective=byol", "teacher=ema")
    live = ssl_pipeline.load(run)
    export_part(live, "teacher", tmp_path / "out")
    held = ssl_pipeline.load(tmp_path / "out")
    assert torch.equal(held.embed(X, teacher=True), live.embed(X, teacher=True))
    assert not torch.equal(live.embed(X), live.embed(X, teacher=True))
    names = load_file(tmp_path / "out/weights.safetensors")
    assert all(torch.equal(names[name], weight) for name, weight in live.part("teacher").state_dict().items())
    slow, quick = live.part("teacher").state_dict(), live.part("encoder").state_dict()
    assert names.keys() == slow.keys() == quick.keys() and not torch.equal(
        names["encoder.stem.weight"], quick["encoder.stem.weight"]
    )
    with pytest.raises(ValueError, match="holds the part teacher alone"):
        held.embed(X)


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


def test_an_exported_folder_does_not_tell_where_things_lie(tmp_path):
    words = ["data=folder", "data.root=/home/me/images", "data.size=8", "data.channels=1"]
    live = ssl_pipeline.load(folder_of_a_run(tmp_path / "run", *CONV, *words))
    live.config |= {
        "init_from": "/home/me/other",
        "resume": str(tmp_path),
        "logger": {"uri": "sqlite:////home/me/x.db"},
    }
    export_part(live, "encoder", tmp_path / "out")
    text = (tmp_path / "out/config.yaml").read_text()
    assert not any(word in text for word in ("/home", "~/", str(tmp_path)))
    kept = ssl_pipeline.load(tmp_path / "out").config
    assert kept["data"]["size"] == 8 and kept["encoder"] == live.config["encoder"]


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


def test_a_damaged_export_ends_in_a_sentence(run, tmp_path):
    export_part(ssl_pipeline.load(run), "encoder", tmp_path / "out")
    file, config = tmp_path / "out/weights.safetensors", tmp_path / "out/config.yaml"
    whole, text = file.read_bytes(), config.read_text()
    file.with_name(f"{file.name}.sha256").unlink()  # what it says has a test of its own
    weights = load_file(file)
    name = next(name for name in weights if name.endswith("weight"))
    for corrupt, words in (
        (lambda: file.write_bytes(whole[:-20]), "is damaged, so it is not loaded"),
        (lambda: file.write_bytes(b"\x80\x04."), "is damaged, so it is not loaded"),
        (
            lambda: save_file({k: v for k, v in weights.items() if k != name}, file),
            f"lacks {name}, which encoder needs",
        ),
        (lambda: save_file({**weights, "more": torch.zeros(1)}, file), r"do not fit its config\.yaml \(more\)"),
        (lambda: save_file({**weights, name: torch.zeros(1)}, file), "do not fit"),
        (lambda: config.write_text("a: ["), r"config\.yaml is damaged"),
        (lambda: config.write_text(text.replace("views_per_step", "view_per_step")), "it lacks views_per_step"),
        (lambda: config.write_text(text.replace("  format:", "  fromat:")), "it lacks format"),
        (lambda: config.write_text(text.replace("axes:", "axis:")), r"config\.yaml is damaged"),
        (lambda: config.write_text("[]"), r"config\.yaml is damaged"),
        (
            lambda: config.write_text(text.replace("type: conv", "type: convv")),
            "there is no encoder 'convv'; nearest: conv",
        ),
        (
            lambda: config.write_text(text.replace("type: conv", "_target_: os.system")),
            "os.system is neither a registered encoder",
        ),
        (
            lambda: config.write_text(text.replace("part: encoder", "part: restorer:noise")),
            "which restorer:noise needs",
        ),
    ):
        corrupt()
        with pytest.raises(ValueError, match=words):
            ssl_pipeline.load(tmp_path / "out")
        file.write_bytes(whole)
        config.write_text(text)
    ssl_pipeline.load(tmp_path / "out")
    file.unlink()
    with pytest.raises(FileNotFoundError, match="export the model again"):
        ssl_pipeline.load(tmp_path / "out")


def test_what_cannot_be_exported_is_said_and_leaves_nothing_behind(run, tmp_path, monkeypatch):
    live = ssl_pipeline.load(run)
    for arguments, words in (
        (("encoder", None, "pickle"), "format='pickle': expected safetensors, torch_export, onnx"),
        (("restorer:msk",), "no view 'msk'; nearest: mask"),
        (("restorer:noise", None, "onnx", "x"), "of encoders and teachers in torch_export and onnx"),
        (("encoder", None, "onnx", "x"), "ConvEncoder is exported for samples of one size only"),
        (("restorer:msk", None, "pickle", "foo"), "length=foo: there is no axis 'foo'; there are: x, y"),
    ):
        part, *rest = arguments
        with pytest.raises(ValueError, match=words):
            export_part(live, part, tmp_path / "out", *rest)
        assert not (tmp_path / "out").exists()
    # A model that comes out otherwise than it went in is not kept.
    with monkeypatch.context() as patch:
        patch.setattr(
            "ssl_pipeline.exporting.formats.write_safetensors",
            lambda state, file, _: save_file({k: v + 1 for k, v in state.items()}, file),
        )
        with pytest.raises(ValueError, match="gives other numbers than the live model"):
            export_part(live, "restorer:noise", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    export_part(live, "encoder", tmp_path / "out")
    with pytest.raises(FileExistsError, match="holds something already"):
        export_part(live, "encoder", tmp_path / "out")


ELSEWHERE = """
import sys, torch
model = torch.export.load(sys.argv[1]).module()
found = model(x=torch.load(sys.argv[2], weights_only=True))
assert not [name for name in sys.modules if name.startswith("ssl_pipeline")]
torch.save(found, sys.argv[3])
"""


@pytest.mark.slow
def test_what_torch_exports_runs_where_the_package_is_not(run, tmp_path):
    ssl("export", f"run={run}", "part=restorer:noise", "format=torch_export", f"out={tmp_path}/out")
    torch.save(X, tmp_path / "x.pt")
    subprocess.run(
        [sys.executable, "-c", ELSEWHERE, f"{tmp_path}/out/model.pt2", f"{tmp_path}/x.pt", f"{tmp_path}/y.pt"],
        check=True,
    )
    found = torch.load(tmp_path / "y.pt", weights_only=True)
    assert torch.allclose(found, ssl_pipeline.load(run).restore(X, "noise"), atol=1e-5)
    with pytest.raises(ValueError, match="as torch_export, which runs without this package"):
        ssl_pipeline.load(tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize("format", ["torch_export", "onnx"])
@pytest.mark.parametrize("kind", ["conv", "vit", "keep", "slots", "text", "writer", "timm", "wave"])
def test_every_part_of_every_kind_of_graph_is_exported(kind, format, tmp_path):
    """In a process of its own, see ``ssl``; ``export`` itself compares each with the live model."""
    if format == "onnx":
        pytest.importorskip("onnxruntime")
    views = "corruption=noise+lowres+mask"
    symbols = ["corruption.mask.cell=1", "objective=cross_entropy", "data=pydoc"]
    kinds = {
        "conv": [*CONV, *TRANSLATOR, views],
        "vit": [*VIT, *TRANSLATOR, views, "encoder.pool=2"],
        "keep": [*VIT, *TRANSLATOR, views, "encoder.masked=token"],
        "slots": [*VIT, *TRANSLATOR, views, "latent=slots", "latent.heads=2"],
        "text": [*VIT, views, *symbols],
        "writer": [*VIT, "corruption=noise+mask", *symbols, "decoder=autoregressive"],
        "timm": ["encoder=timm", "encoder.name=resnet10t", "corruption=noise+lowres", "decoder=conv"],
        "wave": [*CONV, "corruption=noise+mask"],
    }
    codecs = {"text": Bytes(16), "writer": Bytes(16), "wave": Waveform(rate=64, seconds=1)}
    run = folder_of_a_run(tmp_path / "run", *kinds[kind], codec=codecs.get(kind, IMAGE))
    parts = ["encoder", "front@latent", "decoder"]
    if kind not in ("timm", "writer"):
        parts += ["front@encoder.0", "back@encoder.0", "restorer:noise", "front@decoder.0", "back@decoder.0"]
    if kind in ("conv", "vit", "keep", "slots"):
        parts += ["restorer:mask", "translator:noise-lowres", "translator:mask-lowres"]
    axis = {"text": "position", "writer": "position", "wave": "", "conv": "", "timm": ""}.get(kind, "x")
    words = [sys.executable, "-c", EXPORT_ALL, str(run), str(tmp_path), format, axis, *parts]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
