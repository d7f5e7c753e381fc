"""Encoder, decoder and objective where nobody names them."""

from __future__ import annotations

import pytest
from helpers.paths import yaml_files

from ssl_pipeline.config.build import build_part
from ssl_pipeline.config.compose import compose
from ssl_pipeline.config.suitable import SUITABLE
from ssl_pipeline.data import build_data

ELSEWHERE = {
    "cifar10",
    "csv",
    "fashion_mnist",
    "fortunes",
    "hf",
    "hf_audio",
    "hf_text",
    "librispeech",
    "speech_commands",
}
"""Sets that are fetched, or lie in files of the user."""
FOR_TEXTS = {"encoder": "vit", "decoder": "cross_attention", "objective": "cross_entropy"}


def models(*overrides: str, config_dir: str | None = None) -> dict[str, str]:
    config = compose([*overrides], config_dir)
    return {group: config[group]["type"] for group in ("encoder", "decoder")} | {
        "objective": "+".join(config["objective"])
    }


def test_texts_take_models_of_texts_and_a_line_says_so(capsys):
    assert models("data=pydoc") == models("data=text_files", "data.root=texts") == FOR_TEXTS
    line = "note: samples are symbols: encoder=vit, decoder=cross_attention, objective=cross_entropy; name others to"
    assert capsys.readouterr().err.count(line) == 2


def test_images_take_those_of_images_and_no_line():
    assert models() == {"encoder": "conv", "decoder": "conv", "objective": "reconstruct"}


def test_nothing_is_said_where_nothing_is_chosen(capsys):
    compose([])
    compose(["experiment=bert"])
    compose(["data=pydoc", *(f"{group}={name}" for group, name in FOR_TEXTS.items())])
    compose(["data=pydoc"], notes=False)
    assert not capsys.readouterr().err


def test_what_is_named_is_never_overruled(capsys):
    assert models("data=pydoc", "decoder=autoregressive") == FOR_TEXTS | {"decoder": "autoregressive"}
    assert "encoder=vit, objective=cross_entropy; name" in capsys.readouterr().err
    assert models("encoder=conv", "data=pydoc")["encoder"] == "conv"
    assert compose(["data=pydoc", "encoder.width=64"])["encoder"]["width"] == 64


def test_an_experiment_wins_over_what_suits():
    assert models("experiment=mae", "data=pydoc")["objective"] == "patchnorm"
    assert models("experiment=text_autoencoder")["decoder"] == "autoregressive"
    assert models("experiment=simclr", "data=pydoc")["encoder"] == "vit"  # which simclr leaves open


def test_several_kinds_at_once():
    assert models("data=mixed") == FOR_TEXTS | {"objective": "reconstruct+cross_entropy"}


def test_models_from_outside_take_a_decoder_that_any_latent_feeds():
    for name in ("timm", "torchvision"):
        assert models(f"encoder={name}")["decoder"] == "cross_attention"
        assert models(f"encoder={name}", "decoder=conv")["decoder"] == "conv"
        assert models("experiment=text_autoencoder", f"encoder={name}")["decoder"] == "autoregressive"
    assert models("encoder=vit")["decoder"] == "conv"


def test_a_file_of_ones_own(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/novels.yaml").write_text("# @package data\ntype: text_files\nroot: novels\n")
    (tmp_path / "data/genes.yaml").write_text("# @package data\n# @samples symbols\ntype: my_genes\n")
    (tmp_path / "data/typo.yaml").write_text("# @package data\n# @samples symbol\ntype: my_genes\n")
    assert models("data=novels", config_dir=str(tmp_path)) == FOR_TEXTS
    assert models("data=genes", config_dir=str(tmp_path)) == FOR_TEXTS
    with pytest.raises(ValueError, match="data=typo says @samples symbol: expected one of numbers, symbols"):
        compose(["data=typo"], str(tmp_path))


def test_a_misspelt_data_set_is_named_as_such():
    with pytest.raises(ValueError, match="there is no data 'pydocc'; nearest: pydoc"):
        compose(["data=pydocc"])


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("encoder=for_nothing", "there is no encoder 'for_nothing': leave it out for the one that suits data=digits"),
        ("data=in_python_numbers", "there is no data 'in_python_numbers' by name: data of this kind is passed in"),
    ],
)
def test_names_that_lead_nowhere_are_refused(word, sentence):
    with pytest.raises(ValueError, match=sentence):
        compose([word])


@pytest.mark.parametrize("name", SUITABLE)
def test_every_kind_can_be_passed_in_python(name):
    config = compose([f"data=in_python_{name}", "data.description='tensor (4, 1, 8)'", "data.split.holdout=0.2"])
    assert config["encoder"]["type"] == SUITABLE[name]["encoder"] and config["data"]["split"]["holdout"] == 0.2
    with pytest.raises(ValueError, match=r"\('tensor \(4, 1, 8\)'\), which no file can name: pass it again"):
        build_part("data", config["data"], at="data")


NAMED = sorted({path.stem for path in yaml_files("data")} - ELSEWHERE)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMED if "folder" not in name and not name.endswith("_files")])
def test_a_file_says_what_its_samples_are(name):
    data = build_data(compose([f"data={name}"], notes=False)["data"])
    found = models(f"data={name}")
    assert (len(data) > 1) == ("+" in found["objective"])
    assert len(data) > 1 or data.only.grid.discrete == (found["objective"] == "cross_entropy")
