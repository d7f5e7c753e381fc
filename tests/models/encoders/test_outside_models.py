"""Modules and names from outside."""

from __future__ import annotations

from copy import deepcopy

import pytest
import timm
import torch
from helpers.cases import GRIDS, sample
from torch import nn

import ssl_pipeline as sslp
from ssl_pipeline.models.encoders import as_encoder, attach_module, encoder_choice
from ssl_pipeline.models.encoders.token_layout import token_grid
from ssl_pipeline.structures.batch import clean_view
from ssl_pipeline.structures.data_spec import DataSpec
from ssl_pipeline.structures.grid import GridSpec

IMAGE = GRIDS["image"]  # 3 channels, 8 x 12
TINY = {"img_size": (8, 12), "patch_size": 4, "embed_dim": 24, "depth": 2, "num_heads": 2}


class Net(nn.Module):
    """A map, its tokens behind some others, or their mean."""

    def __init__(self, form: str = "map", prefix: int = 0) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 16, 4, stride=4), nn.BatchNorm2d(16))
        self.form, self.prefix = form, prefix

    def forward(self, x):
        maps = self.body(x)
        tokens = maps.flatten(2).transpose(1, 2)
        own = tokens.mean(1, keepdim=True).expand(-1, self.prefix, -1)
        tokens = torch.cat([own, tokens], dim=1)
        return {"map": maps, "tokens": tokens, "vector": tokens.mean(1), "pair": (maps, tokens)}[self.form]


@pytest.mark.parametrize(
    ("net", "options", "shape", "count"),
    [
        (Net("map"), {}, (2, 3), 6),
        (Net("tokens"), {}, (2, 3), 6),
        (Net("tokens", prefix=1), {}, (2, 3), 6),
        (Net("tokens", prefix=5), {"prefix": 5}, (2, 3), 6),
        (Net("tokens", prefix=2), {}, None, 8),
        (Net("vector"), {}, None, 1),
    ],
    ids=["map", "tokens", "class token", "five tokens in front", "tokens without places", "vector"],
)
def test_one_pass_says_what_a_module_returns(net, options, shape, count):
    before = deepcopy(net.state_dict())
    encoder = sslp.ModuleEncoder(net, **options).bind(IMAGE, ("noise", "mask"))
    assert encoder.model is net and all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    latent = encoder({"noise": sample(IMAGE)})["noise"]
    assert (encoder.dense_shape, latent.dense_shape, encoder.width) == (shape, shape, 16)
    assert latent.tokens.shape == (6, count, 16) and latent.pooled.shape == (6, 16)
    assert encoder.shape_of((4, 4)) == (() if shape is None else (1, 1))


LONG = GridSpec.of(("t", 400), channels=1)


class Told(nn.Module):
    """(B, D, N), or (B, N, D), of samples of one length alone, or of any."""

    def __init__(self, width: int, last: bool, fixed: bool = False) -> None:
        super().__init__()
        self.body, self.last, self.fixed = nn.Conv1d(1, width, 4, stride=4), last, fixed

    def forward(self, x):
        if self.fixed and x.shape[-1] != 400:
            raise KeyError(x.shape[-1])
        return self.body(x).transpose(1, 2) if self.last else self.body(x)


@pytest.mark.parametrize("width", [100, 64, 24])
def test_an_axis_that_changes_with_the_length_is_that_of_the_tokens(width):
    first, last = (sslp.ModuleEncoder(Told(width, last)).bind(LONG, ("noise",)) for last in (False, True))
    last.load_state_dict(first.state_dict())
    view = sample(LONG)
    z, other = (one.eval()({"noise": view})["noise"] for one in (first, last))
    assert first.width == width and first.dense_shape == (100,) and first.shape_of((200,)) == (50,)
    torch.testing.assert_close(z.tokens, other.tokens)


def test_where_nothing_tells_the_layout_it_must_be_said():
    sentence = r"returns \(1, 100, 100\) for \(400,\) cells, .* layout='channels_first'\) for \(B, D, N\)"
    with pytest.raises(ValueError, match=sentence):
        sslp.ModuleEncoder(Told(100, last=False, fixed=True)).bind(LONG, ("noise",))
    said = sslp.ModuleEncoder(Told(100, last=False, fixed=True), layout="channels_first")
    assert said.bind(LONG, ("noise",)).layout == said.to_plain()["layout"] == "channels_first"
    fits = sslp.ModuleEncoder(Told(24, last=True, fixed=True)).bind(LONG, ("noise",))
    assert (fits.width, fits.dense_shape, fits.to_plain()["layout"]) == (24, (100,), None)
    with pytest.raises(ValueError, match=r"encoder.layout='first': expected channels_first"):
        sslp.ModuleEncoder(Told(24, last=True), layout="first")


@pytest.mark.parametrize("error", [AttributeError, KeyError, ValueError, ZeroDivisionError])
def test_whatever_a_module_raises_becomes_a_sentence(error):
    class Broken(nn.Module):
        def forward(self, x):
            raise error("depth")

    with pytest.raises(ValueError, match=rf"Broken does not take samples of 1 channels .*\({error.__name__}: '?depth"):
        sslp.ModuleEncoder(Broken()).bind(LONG, ("noise",))


def test_a_grid_of_tokens_is_read_from_their_number():
    assert token_grid(197, (224, 224)) == (1, (14, 14)) and token_grid(201, (224, 224), 5) == (5, (14, 14))
    assert token_grid(8, (8, 8)) == (0, None)  # eight slots are no four tokens before four patches
    with pytest.raises(
        ValueError, match=r"prefix=2 leaves 5 of 7 tokens, and no patches with equal sides cut \(8, 8\)"
    ):
        token_grid(7, (8, 8), 2)


def test_symbols_go_to_a_module_as_they_are():
    text = GRIDS["text"]
    encoder = sslp.ModuleEncoder(nn.Embedding(text.vocab, 8)).bind(text, ("mask",))
    view = sample(text)
    view = view._replace(valid=torch.arange(text.shape[0]).expand_as(view.x) < 3)
    latent = encoder({"mask": view})["mask"]
    assert latent.dense_shape == text.shape
    torch.testing.assert_close(latent.pooled, latent.tokens[:, :3].mean(1))


def test_padding_counts_for_nothing_in_patches_of_several_cells():
    class Patches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(11, 8)

        def forward(self, x):
            return self.table(x).unflatten(1, (-1, 4)).mean(2)

    grid = GridSpec.of(("position", 16), vocab=11, mask_token=10)
    encoder, x = sslp.ModuleEncoder(Patches()).bind(grid, ("noise",)), torch.randint(10, (2, 16))
    valid = (torch.arange(16) < 4).expand(2, 16)
    padded = (encoder({"noise": clean_view(grid, one, valid)})["noise"] for one in (x, x.where(valid, 0)))
    first, second = padded
    assert first.valid.tolist() == [[True, False, False, False]] * 2
    torch.testing.assert_close(first.pooled, second.pooled)


def test_a_module_is_trained_itself_and_its_twins_are_as_it_was():
    net = Net().eval().double()
    graph, spec = hand_made(net), DataSpec(IMAGE)
    one = graph.bind(spec)
    assert one.encoder.model is net and net.training and net.body[0].weight.dtype == torch.float32
    before = net.body[0].weight.clone()
    with torch.no_grad():
        net.body[0].weight += 1
    twin, again = graph.bind(spec), one.bind(spec)
    for other in (twin, again):
        assert other.encoder.model is not net and torch.equal(other.encoder.model.body[0].weight, before)
    teacher = sslp.EMATeacher().bind({"encoder": one.encoder})
    copied = teacher.copies["encoder"].model
    assert copied is not net and torch.equal(copied.body[0].weight, net.body[0].weight)


def hand_made(encoder):
    return sslp.Graph({"noise": sslp.Noise()}, encoder=encoder, objective=sslp.Reconstruction())


def test_modes_of_parts_outlast_the_probe():
    net = Net()
    encoder = sslp.ModuleEncoder(net).bind(IMAGE, ("noise",))
    net.body[1].eval()
    encoder.shape_of((4, 4))
    assert net.training and not net.body[1].training


@pytest.mark.parametrize(
    ("encoder", "sentence"),
    [
        (Net("pair"), "the encoder Net returns a tuple: expected one tensor"),
        (nn.Conv2d(1, 8, 3), r"the encoder Conv2d does not take samples of 3 channels and \(8, 12\) cells"),
        (nn.Conv3d(3, 8, 1), "the encoder Conv3d does not take"),
        (nn.Flatten(0), r"the encoder Flatten returns \(288,\): expected one tensor"),
        (sslp.ModuleEncoder(Net("tokens"), prefix=2), "prefix=2 leaves 4 of 6 tokens"),
        (
            "resnett10",
            r"encoder='resnett10' is neither an encoder of ours nor .* or torchvision's; nearest: resnet10t",
        ),
    ],
    ids=["tuple", "channels", "axes", "one axis", "prefix", "name"],
)
def test_what_is_no_encoder_is_refused(encoder, sentence):
    with pytest.raises(ValueError, match=sentence):
        hand_made(encoder).bind(DataSpec(IMAGE))


def test_names_and_objects_find_their_encoder():
    assert isinstance(as_encoder("vit"), sslp.ViT)
    assert as_encoder("resnet10t").name == "resnet10t"
    assert isinstance(as_encoder("mobilenet_v3_small"), sslp.TorchvisionBackbone)
    assert encoder_choice("mobilenet_v3_small", ["vit"])[0] == {
        "encoder": "torchvision",
        "encoder.name": "mobilenet_v3_small",
    }
    for call in (as_encoder, lambda name: encoder_choice(name, ["conv", "vit"])):
        with pytest.raises(ValueError, match=r"encoder='convv' is neither an encoder of ours .*; nearest: conv"):
            call("convv")
    assert isinstance(as_encoder(timm.create_model("resnet10t")), sslp.TimmBackbone)
    assert isinstance(as_encoder(Net()), sslp.ModuleEncoder)
    with pytest.raises(ValueError, match=r"encoder=3: expected a name or a torch.nn.Module, got an object of int"):
        as_encoder(3)
    made = sslp.ViT(width=24)
    assert as_encoder(made) is made
    with pytest.raises(ValueError, match=r"encoder=ViT\(...\) has options .* name it"):
        encoder_choice(made, ["vit"])


def test_vectors_feed_no_decoder_of_maps():
    graph = sslp.Graph(
        {"noise": sslp.Noise()}, encoder=Net("vector"), objective=sslp.Reconstruction(), decoder=sslp.ConvDecoder()
    )
    with pytest.raises(ValueError, match="a latent that covers it: take decoder=cross_attention"):
        graph.bind(DataSpec(IMAGE))


def test_the_object_is_attached_to_what_the_configuration_says():
    net, part = Net(), sslp.ModuleEncoder(of="x.Net", prefix=3)
    with pytest.raises(ValueError, match=r"an object of Python \(x.Net\).*load\(folder, encoder=module\)"):
        attach_module(part, None)
    with pytest.raises(ValueError, match="expected the name of a class"):
        sslp.ModuleEncoder(of="x, which ends (see\x1b[2J")
    assert attach_module(part, net).user_module.module is net and attach_module(part, net).prefix == 3
    with pytest.raises(ValueError, match="encoder is a ViT that its configuration makes: leave encoder= out"):
        attach_module(sslp.ViT(), net)
