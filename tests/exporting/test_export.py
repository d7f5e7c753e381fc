"""One model of a run in a folder of its own."""

from __future__ import annotations

import pytest
import torch
from helpers.exports import CONV, IMAGE, X, folder_of_a_run
from safetensors.torch import load_file, save_file

import ssl_pipeline
from ssl_pipeline.exporting import export_part
from ssl_pipeline.inference.example_inputs import examples

PARTS = ["encoder", "restorer:mask", "translator:noise-lowres", "front@encoder.0", "back@encoder.0", "front@latent"]
PARTS += ["back@decoder.0", "decoder"]


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
