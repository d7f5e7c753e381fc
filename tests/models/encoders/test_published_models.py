"""Models of timm's and torchvision's: what their names and options say, and what they refuse."""

from __future__ import annotations

import pytest
import timm
import torch
from helpers.cases import GRIDS, sample
from torch import nn

import ssl_pipeline as sslp
from ssl_pipeline.models.encoders import as_encoder, encoder_choice
from ssl_pipeline.optim.recipe import layer_scales
from ssl_pipeline.structures.grid import GridSpec

IMAGE = GRIDS["image"]  # 3 channels, 8 x 12
TINY = {"img_size": (8, 12), "patch_size": 4, "embed_dim": 24, "depth": 2, "num_heads": 2}


def test_an_object_of_timms_keeps_weights_and_is_made_again_from_its_options():
    model = timm.create_model("vit_tiny_patch16_224", **TINY | {"img_size": (32, 32), "num_classes": 5})
    first = model.blocks[0].attn.qkv.weight.clone()
    keys, encoder = encoder_choice(model, ["vit"])
    assert keys["encoder.name"] == "vit_tiny_patch16_224" and "img_size" not in keys["encoder.options"]
    bound = encoder.bind(IMAGE, ("noise",))
    assert bound.model is model and torch.equal(model.blocks[0].attn.qkv.weight, first)
    assert not any(p.requires_grad for p in model.head.parameters())
    again = sslp.TimmBackbone(name=keys["encoder.name"], options=keys["encoder.options"]).bind(IMAGE, ("noise",))
    again.load_state_dict(bound.state_dict())
    view = sample(IMAGE)
    for one in (bound, again):
        one.eval()
    torch.testing.assert_close(bound({"a": view})["a"].tokens, again({"a": view})["a"].tokens)


@pytest.mark.parametrize("build", [sslp.TimmBackbone, sslp.TorchvisionBackbone])
def test_an_option_that_a_model_has_not_is_named(build):
    with pytest.raises(ValueError, match=r"^encoder\.options\.depht: resnet18 is a ResNet, which has no such option$"):
        build(name="resnet18", options={"depht": 2}).bind(IMAGE, ("noise",))
    with pytest.raises(ValueError, match="weights are not loaded here; set init_from"):
        build(name="resnet18", options={"weights": "x", "pretrained": True})


def test_weights_in_a_name_of_timms_are_refused():
    with pytest.raises(ValueError, match="asks for timm's weights 'a1_in1k', which are not loaded here"):
        sslp.TimmBackbone(name="resnet18.a1_in1k")


def test_what_a_configuration_cannot_hold_is_refused():
    model = timm.create_model("vit_tiny_patch16_224", **TINY, act_layer=nn.ReLU)
    with pytest.raises(ValueError, match=r"made with act_layer=<class .*: name it, act_layer='relu', or take"):
        as_encoder(model)
    assert (
        as_encoder(timm.create_model("vit_tiny_patch16_224", **TINY, act_layer="relu")).options["act_layer"] == "relu"
    )
    assert not sslp.TimmBackbone(name="resnet18", options={"no such option": None}).options  # as the card writes them


def test_patches_that_a_model_drops_by_itself_are_refused():
    for name in ("vit_tiny_patch16_224", "eva02_tiny_patch14_224"):
        encoder = sslp.TimmBackbone(name=name, options=TINY | {"patch_drop_rate": 0.5})
        with pytest.raises(ValueError, match="drops patches by itself"):
            encoder.bind(IMAGE, ("noise",))


@pytest.mark.parametrize(
    ("name", "options"),
    [("deeplabv3_resnet50", {}), ("fasterrcnn_mobilenet_v3_large_320_fpn", {}), ("resnet18", {})],
)
def test_no_name_of_torchvisions_downloads_weights(monkeypatch, name, options):
    def download(*args, **kwargs):
        pytest.fail(f"would download {args}")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", download)
    encoder = sslp.TorchvisionBackbone(name=name, options=options, node="backbone.layer4" if "lab" in name else None)
    try:
        encoder.bind(IMAGE, ("noise",))
    except ValueError as error:
        assert "set encoder" in str(error) or "set data.size" in str(error)
    with pytest.raises(ValueError, match="weights are not loaded here"):
        sslp.TorchvisionBackbone(name=name, options={"weights_backbone": "DEFAULT"})


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("mobilenet_v3_small", (2, 2)),
        ("squeezenet1_1", (3, 3)),
        pytest.param("vit_b_32", (2, 2), marks=pytest.mark.slow),
    ],
)
def test_torchvisions_last_map_is_found(name, shape):
    grid = GridSpec.of(("y", 64), ("x", 64), channels=1)
    assert sslp.TorchvisionBackbone(name=name).bind(grid, ("noise",)).dense_shape == shape


@pytest.mark.parametrize("options", [{"num_classes": 7}, {"num_classes": 7, "global_pool": "avg"}], ids=str)
def test_layers_have_the_rates_that_timm_gives_them(options):
    from timm.optim import param_groups_layer_decay

    model = timm.create_model("vit_tiny_patch16_224", **TINY, **options)
    names = {p: name for name, p in model.named_parameters()}
    groups = param_groups_layer_decay(model, layer_decay=0.5)
    theirs = {names[p]: group["lr_scale"] for group in groups for p in group["params"]}
    encoder = as_encoder(model).bind(IMAGE, ("noise",))
    ours = {names[p]: scale for p, scale in layer_scales(encoder, 0.5).items() if p in names and p.requires_grad}
    assert len(ours) > 20 and ours == {name: theirs[name] for name in ours}
