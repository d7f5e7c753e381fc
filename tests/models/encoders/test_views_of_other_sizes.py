"""Views of other sizes than the grid's, encoded beside whole ones."""

from __future__ import annotations

import pytest
import torch
from helpers.cases import GRIDS, sample
from helpers.small_models import TRANSFORMER

from ssl_pipeline.corruptions import Chain, Crop, Mask
from ssl_pipeline.models.decoders import ConvDecoder, CrossAttentionDecoder
from ssl_pipeline.models.encoders import ConvEncoder, TimmBackbone, TorchvisionBackbone, ViT
from ssl_pipeline.structures.grid import GridSpec

VIT = {**TRANSFORMER, "depth": 2}
TIMM_VIT = {"img_size": [8, 12], "patch_size": 4, "embed_dim": 24, "depth": 2, "num_heads": 2}
MULTI_CROP = [  # an encoder, a grid, the size of the local views and the grid of their tokens
    (ViT, {"patch": 2, **VIT}, "image", (4, 6), (2, 3)),
    (ViT, {"patch": (4, 3), **VIT}, "image", (4, 12), (1, 4)),
    (ViT, VIT, "wave", 12, (3,)),
    (ViT, VIT, "logmel", (8, 6), (4, 2)),
    (ViT, {"ngrams": 3, "buckets": 64, **VIT}, "text", 6, (6,)),
    (ConvEncoder, {"widths": [8, 16], "stride": 1}, "image", (4, 6), (2, 3)),
    (ConvEncoder, {"widths": [8, 16], "stride": 2, "norm": "group"}, "wave", 12, (3,)),
    (TimmBackbone, {"name": "resnet10t"}, "image", (4, 6), (1, 1)),
    (
        TimmBackbone,
        {"name": "vit_tiny_patch16_224", "options": TIMM_VIT | {"dynamic_img_size": True}},
        "image",
        4,
        (1, 1),
    ),
    (TorchvisionBackbone, {"name": "resnet18", "node": "layer1"}, "image", (4, 8), (1, 2)),
]


def multi_crop(grid, size):
    """Two whole views and two local ones."""
    crops = {"crop_1": None, "crop_2": size, "crop_3": None, "crop_4": size}
    generator = torch.Generator().manual_seed(0)
    return {name: Crop(size=cells).bind(grid)(sample(grid), generator) for name, cells in crops.items()}


@pytest.mark.parametrize(("build", "options", "name", "size", "shape"), MULTI_CROP)
def test_views_of_another_size_pass_beside_whole_ones(build, options, name, size, shape):
    torch.manual_seed(0)
    encoder = build(**options).bind(GRIDS[name], ("crop_1", "crop_2"))
    views = multi_crop(GRIDS[name], size)
    latents = encoder(views)
    assert list(latents) == list(views) and encoder.shape_of(views["crop_2"].coords.shape[1:-1]) == shape
    assert encoder.training and encoder.dense_shape == encoder.shape_of(GRIDS[name].shape)
    for view, cells in (("crop_1", encoder.dense_shape), ("crop_2", shape), ("crop_4", shape)):
        assert latents[view].dense_shape == cells
        assert latents[view].tokens.shape == (6, torch.Size(cells).numel(), encoder.width)
        assert latents[view].pooled.shape == (6, encoder.embedding_width)
    (latents["crop_2"].pooled.square().mean() + latents["crop_4"].tokens.mean()).backward()
    assert not [n for n, p in encoder.named_parameters() if p.grad is None]


@pytest.mark.parametrize(("build", "options", "name", "size", "shape"), MULTI_CROP)
def test_a_view_does_not_depend_on_views_of_other_sizes(build, options, name, size, shape):
    torch.manual_seed(0)
    encoder = build(**options).bind(GRIDS[name], ("crop_1", "crop_2")).eval()
    views = multi_crop(GRIDS[name], size)
    with torch.no_grad():
        together = encoder(views)
        for view in ("crop_1", "crop_4"):
            alone = encoder({view: views[view]})[view]
            torch.testing.assert_close(together[view].tokens, alone.tokens, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(together[view].pooled, alone.pooled, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(together["crop_2"].pooled, together["crop_4"].pooled)


def test_batch_statistics_are_those_of_the_views_of_one_size():
    torch.manual_seed(0)
    encoder = ConvEncoder(widths=[8, 16]).bind(GRIDS["image"], ("crop",))
    views = multi_crop(GRIDS["image"], (4, 6))
    together, alike = (encoder({n: views[n] for n in names}) for names in (views, ("crop_2", "crop_4")))
    torch.testing.assert_close(together["crop_2"].tokens, alike["crop_2"].tokens, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(together["crop_2"].tokens, encoder({"crop_2": views["crop_2"]})["crop_2"].tokens)


def test_a_stretched_view_spans_the_clean_extent_and_a_cut_one_starts_anew():
    stem = ViT(patch=2, **VIT).bind(GRIDS["image"], ("crop",)).stem
    clean, local = stem([sample(GRIDS["image"]), multi_crop(GRIDS["image"], (4, 6))["crop_2"]])
    means = clean.coords.view(1, 2, 2, 3, 2, 2).mean((2, 4)).flatten(1, 2)  # of two by two neighbours
    torch.testing.assert_close(local.coords, means)
    stem = ViT(patch=4, **VIT).bind(GRIDS["wave"], ("crop",)).stem
    clean, local = stem([sample(GRIDS["wave"]), multi_crop(GRIDS["wave"], 12)["crop_2"]])
    torch.testing.assert_close(local.coords, clean.coords[:, :3])


def test_holes_of_a_local_view_are_left_out():
    grid = GRIDS["image"]
    parts = {"crop": Crop(size=(4, 6)), "mask": Mask(ratio=0.5, cell=2)}
    view = Chain(**parts).bind(grid)(sample(grid), torch.Generator().manual_seed(0))
    encoder = ViT(patch=2, **VIT).bind(grid, ("crop-mask",))
    latent = encoder({"crop-mask": view})["crop-mask"]
    assert latent.tokens.shape == (6, 3, 24) and latent.dense_shape is None


@pytest.mark.parametrize("name", ["image", "wave"])
@pytest.mark.parametrize("build", [CrossAttentionDecoder, ConvDecoder])
def test_the_clean_grid_is_decoded_from_a_local_latent(build, name):
    grid = GRIDS[name]
    encoder = ViT(patch=2, **VIT).bind(grid, ("crop",))
    decoder = build().bind(grid, 24, dense_shape=encoder.dense_shape)
    local = multi_crop(grid, tuple(n // 2 for n in grid.shape))["crop_2"]
    local = local._replace(x=local.x.clone().requires_grad_())
    latent = encoder({"crop": local})["crop"]
    assert latent.tokens.shape[1] == torch.Size(encoder.dense_shape).numel() // 2**grid.ndim
    patches = decoder(latent)
    assert decoder.patches.join(patches).shape == (6, grid.channels, *grid.shape)
    patches[0].square().sum().backward()
    seen = torch.ones_like(local.x[0, 0], dtype=torch.bool) if local.valid is None else local.valid[0]
    assert (local.x.grad[0][:, seen] != 0).all() and not local.x.grad[1:].any()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (TIMM_VIT, (1, 1)),
        (TIMM_VIT | {"patch_size": 2}, (2, 2)),
        (TIMM_VIT | {"dynamic_img_size": False}, r"\(4, 4\) cells \(Input height \(4\) doesn't match model \(8\)"),
        (
            TIMM_VIT | {"patch_size": 8, "img_size": [8, 16]},
            r"do(es)? not divide .*set",
        ),
    ],
)
def test_a_timm_transformer_takes_other_sizes_or_says_why_not(options, sentence):
    grid = GridSpec.of(*zip(("y", "x"), options["img_size"], strict=True), channels=1)
    encoder = TimmBackbone(name="vit_tiny_patch16_224", options=options).bind(grid, ("crop",))
    if isinstance(sentence, tuple):
        assert encoder.shape_of((4, 4)) == sentence
        return
    with pytest.raises(ValueError, match=sentence):
        encoder.shape_of((4, 4))
    assert encoder.training
    with pytest.raises(ValueError, match=sentence):
        encoder(multi_crop(grid, 4))


def test_a_view_that_the_patch_does_not_divide_is_refused():
    encoder = ViT(patch=4, **VIT).bind(GRIDS["image"], ("crop",))
    for refused in (lambda: encoder.shape_of((4, 6)), lambda: encoder(multi_crop(GRIDS["image"], (4, 6)))):
        with pytest.raises(ValueError, match="view of 6 cells along x does not divide into patches of 4"):
            refused()
