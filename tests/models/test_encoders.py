"""Encoders on every grid that they claim to work on."""

from __future__ import annotations

import pytest
import torch
from helpers.cases import ENCODERS, GRIDS, sample

from ssl_pipeline.corruptions import Chain, Crop, Mask
from ssl_pipeline.models.decoders import ConvDecoder, CrossAttentionDecoder
from ssl_pipeline.models.encoders import ConvEncoder, NGramBag, TimmBackbone, TorchvisionBackbone, ViT
from ssl_pipeline.models.layers import Patches, sincos
from ssl_pipeline.structures.batch import clean_view
from ssl_pipeline.structures.grid import GridSpec

ENCODER_GRIDS = [(case, grid) for case in ENCODERS for grid in case.grids]


def masked(grid, **options):
    return Mask(**{"ratio": 0.5, **options}).bind(grid)(sample(grid), torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("case", "name"), ENCODER_GRIDS)
def test_encoder_keeps_its_word(case, name):
    grid = GRIDS[name]
    torch.manual_seed(0)
    encoder = case.build(**case.options).bind(grid, ("mask", "echo"))
    latents = encoder({"mask": masked(grid), "echo": sample(grid)})
    assert list(latents) == ["mask", "echo"]
    whole = latents["echo"]
    assert whole.dense_shape == encoder.dense_shape
    tokens = 1 if encoder.dense_shape is None else torch.Size(encoder.dense_shape).numel()
    assert whole.tokens.shape == (6, tokens, encoder.width)
    assert whole.pooled.shape == (6, encoder.embedding_width)
    if encoder.dense_shape is not None:
        assert (latents["mask"].dense_shape == encoder.dense_shape) is encoder.sees_masked
    sum(latent.pooled.square().mean() + latent.tokens.mean() for latent in latents.values()).backward()
    without = [n for n, p in encoder.named_parameters() if p.grad is None]
    assert not without


@pytest.mark.parametrize(("case", "name"), ENCODER_GRIDS)
def test_samples_do_not_touch_each_other_at_inference(case, name):
    grid = GRIDS[name]
    encoder = case.build(**case.options).bind(grid, ("mask", "echo")).eval()
    view = sample(grid)
    other = view._replace(x=torch.cat([view.x[:1], view.x[1:].flip(0)]))
    with torch.no_grad():
        a, b = (encoder({"unknown": v})["unknown"].pooled[0] for v in (view, other))
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("drop", [0.25, 1.0])
def test_names_of_views_that_training_hides_do_not_matter(drop):
    encoder = ConvEncoder(view_drop=drop).bind(GRIDS["image"], ("noise", "echo")).eval()
    view = sample(GRIDS["image"])
    with torch.no_grad():
        named, unknown = (encoder({name: view})[name].pooled for name in ("noise", "unknown"))
    assert torch.equal(named, unknown) is (drop == 1)


@pytest.mark.parametrize("name", sorted(GRIDS))
def test_dense_masked_attention_equals_visible_tokens(name):
    grid = GRIDS[name]
    torch.manual_seed(0)
    encoder = ViT(width=24, depth=3, heads=2).bind(grid, ("mask", "echo")).eval()
    view = masked(grid, cell=Patches(grid).size)
    with torch.no_grad():
        visible = encoder({"mask": view})["mask"]
        encoder.dense = True
        dense = encoder({"mask": view})["mask"]
    assert visible.tokens.shape[1] < dense.tokens.shape[1]
    torch.testing.assert_close(visible.pooled, dense.pooled, rtol=1e-4, atol=1e-5)
    kept = dense.tokens[dense.valid].view(visible.tokens.shape)
    torch.testing.assert_close(visible.tokens, kept, rtol=1e-4, atol=1e-5)


def test_what_is_in_the_hole_does_not_matter():
    grid = GRIDS["image"]
    encoder = ViT(width=24, depth=2, heads=2).bind(grid, ("mask", "echo")).eval()
    view = masked(grid)
    other = view._replace(x=torch.where(view.mask.unsqueeze(1), torch.rand_like(view.x), view.x))
    with torch.no_grad():
        torch.testing.assert_close(encoder({"mask": view})["mask"].pooled, encoder({"mask": other})["mask"].pooled)


def test_views_packed_into_one_call_equal_views_alone():
    grid = GRIDS["image"]
    encoder = ViT(width=24, depth=2, heads=2).bind(grid, ("a", "b")).eval()
    views = {"a": sample(grid, seed=1), "b": sample(grid, seed=2)}
    with torch.no_grad():
        together = encoder(views)
        for name, view in views.items():
            torch.testing.assert_close(together[name].tokens, encoder({name: view})[name].tokens, rtol=1e-4, atol=1e-5)


VIT = {"width": 24, "depth": 2, "heads": 2}
DYNAMIC = {"dynamic_img_size": True}
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


def test_cell_that_does_not_fit_the_patch_is_refused():
    grid = GRIDS["image"]
    encoder = ViT(patch=4, width=24, depth=1, heads=2).bind(grid, ("mask",))
    with pytest.raises(ValueError, match=r"cell \[2, 2\] is not a multiple of the encoder's patch \[4, 4\]"):
        encoder({"mask": masked(grid, cell=2)})


def test_larger_cells_than_patches_fit():
    grid = GRIDS["image"]
    encoder = ViT(patch=2, width=24, depth=1, heads=2).bind(grid, ("mask",))
    assert encoder({"mask": masked(grid, cell=4)})["mask"].tokens.shape[1] == 12


TEXT = GridSpec.of(("position", 16), vocab=50, mask_token=49, end_token=48)
SMALL = {"width": 24, "heads": 2}


def text_encoder(**options):
    torch.manual_seed(0)
    return ViT(depth=2, **SMALL, **options).bind(TEXT, ("mask", "echo")).eval()


def padded(view, length=5):
    """Everything after ``length`` symbols is padding."""
    valid = (torch.arange(16) < length).expand(len(view.x), -1)
    return view._replace(x=view.x.where(valid, 48), valid=valid)


@pytest.mark.parametrize("options", [{}, {"ngrams": 3, "buckets": 64}, {"masked": "keep"}], ids=str)
def test_padding_does_not_matter(options):
    encoder, view = text_encoder(**options), padded(sample(TEXT))
    other = view._replace(x=view.x.where(view.valid, 7))
    with torch.no_grad():
        torch.testing.assert_close(encoder({"echo": view})["echo"].pooled, encoder({"echo": other})["echo"].pooled)


@pytest.mark.parametrize("dense", [False, True])
def test_a_text_whose_every_symbol_is_hidden_has_a_latent(dense):
    encoder = text_encoder(dense=dense).train()
    view = padded(Mask(ratio=0.9).bind(TEXT)(sample(TEXT, 64), torch.Generator().manual_seed(0)), length=2)
    assert not (view.valid & ~view.mask).any(1).all()
    latent = encoder({"mask": view})["mask"]
    decoder = CrossAttentionDecoder(**SMALL).bind(TEXT, 24)
    decoder(latent).square().mean().backward()
    assert latent.valid.any(1).all() and (latent.pooled.abs().amax(1) > 0.01).all()
    assert all(torch.isfinite(p.grad).all() for p in encoder.parameters() if p.grad is not None)


@pytest.mark.parametrize("build", [ViT, NGramBag])
def test_ngrams_tell_nothing_of_what_is_hidden(build):
    small = SMALL if build is ViT else {"width": 8}
    encoder, clean = build(ngrams=4, buckets=64, **small).bind(TEXT, ("mask",)).eval(), sample(TEXT)
    view = Mask(ratio=0.5).bind(TEXT)(clean, torch.Generator().manual_seed(0))
    other = clean._replace(x=torch.where(view.mask, (clean.x + 1) % 48, clean.x))
    again = Mask(ratio=0.5).bind(TEXT)(other, torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(encoder({"mask": view})["mask"].tokens, encoder({"mask": again})["mask"].tokens)


def test_ngrams_make_a_symbol_depend_on_those_before_it():
    stem, view = text_encoder(ngrams=3, buckets=1000).stem, sample(TEXT)
    other = view._replace(x=view.x.clone())
    other.x[:, 5] = (view.x[:, 5] + 1) % 48
    with torch.no_grad():
        one, two = stem([view, other])
        changed = (one.values != two.values).any(-1).any(0)
    assert changed.nonzero().flatten().tolist() == [5, 6, 7]


@pytest.mark.parametrize("grid", ["wave", "codes"])
def test_ngrams_need_a_line_of_symbols(grid):
    with pytest.raises(ValueError, match=r"ngrams=2 are strings of symbols.*set encoder.ngrams=0"):
        ViT(ngrams=2, **SMALL).bind(GRIDS[grid], ("echo",))


def test_a_hole_that_is_kept_is_taken_as_it_is_filled():
    grid = GRIDS["image"]
    encoder = ViT(patch=4, depth=1, masked="keep", **SMALL).bind(grid, ("mask",)).eval()
    view = masked(grid, cell=2)  # smaller than a patch: nothing is left out, so it need not fit
    with torch.no_grad():
        latent, echo = (encoder({"mask": v})["mask"] for v in (view, sample(grid)._replace(x=view.x)))
        torch.testing.assert_close(latent.tokens, echo.tokens)
        other = encoder({"mask": view._replace(x=view.x.where(~view.mask.unsqueeze(1), 9.0))})["mask"]
    assert latent.dense_shape == encoder.dense_shape and latent.valid is None
    assert not torch.allclose(latent.pooled, other.pooled)
    assert "stem.mask_token" not in encoder.state_dict()  # runs that are older than the token load as they are


@pytest.mark.parametrize("grid", ["image", "text"])
def test_a_learned_token_stands_in_a_hole_whatever_fills_it(grid):
    grid = GRIDS[grid]
    encoder = ViT(patch=1, depth=1, masked="token", **SMALL).bind(grid, ("mask",)).eval()
    view = masked(grid)
    hole = view.mask if grid.discrete else view.mask.unsqueeze(1)
    other = view._replace(x=view.x.where(~hole, 9))
    with torch.no_grad():
        tokens, same = (encoder({"mask": v})["mask"].tokens for v in (view, other))
        torch.testing.assert_close(tokens, same)
        assert not torch.allclose(tokens, encoder({"mask": other._replace(mask=None)})["mask"].tokens)
        expected = encoder.stem([other._replace(mask=None, cell=None, visible=None)])[0].values
        patches = encoder.stem.patches
        code = sincos(patches.centres(view.coords) / encoder.stem.unit, encoder.width)
        found = encoder.stem([other._replace(mask=None, cell=None, visible=None)], kept=[view.mask])[0].values
        hidden = patches.wholly(view.mask)
        torch.testing.assert_close(found[~hidden], expected[~hidden])
        torch.testing.assert_close(found[hidden], (encoder.stem.mask_token + code).expand_as(found)[hidden])
    assert encoder.dense_shape == patches.shape


def test_a_patch_that_lies_in_a_hole_in_part_is_taken_as_it_is_filled():
    grid = GRIDS["image"]
    encoder = ViT(patch=4, depth=1, masked="token", **SMALL).bind(grid, ("mask",)).eval()
    view = sample(grid)._replace(mask=(torch.arange(12) < 6).expand(6, 8, 12))
    with torch.no_grad():
        before, after = (
            encoder.stem([view._replace(mask=None, x=x)], kept=[view.mask])[0].values
            for x in (view.x, view.x.where(~view.mask.unsqueeze(1), 9.0))
        )
    changed = (before - after).abs().amax((0, 2)).unflatten(0, (2, 3)) > 0
    assert changed.tolist() == [[False, True, False]] * 2


def test_the_learned_token_has_a_gradient_without_a_hole_too():
    """Else processes that wait for every gradient would wait for ever."""
    encoder = ViT(depth=1, masked="token", **SMALL).bind(GRIDS["image"], ("a",))
    encoder({"a": sample(GRIDS["image"])})["a"].pooled.sum().backward()
    assert encoder.stem.mask_token.grad.eq(0).all()


def test_holes_are_dropped_or_kept():
    with pytest.raises(ValueError, match="masked='fill' is not known; take drop, keep or token"):
        text_encoder(masked="fill")


def test_what_is_shared_knows_no_grid():
    encoders = [case.build(**case.options).bind(GRIDS[n], ("echo",)) for case, n in ENCODER_GRIDS[:3]]
    for name in ViT.shared:
        shapes = [{k: p.shape for k, p in getattr(e, name).named_parameters()} for e in encoders]
        assert shapes[0] and shapes[0] == shapes[1] == shapes[2]


def test_a_view_may_be_normalised_by_its_own_batch():
    clean = clean_view(GRIDS["image"], sample(GRIDS["image"], 8).x)
    both = {"a": clean, "b": clean._replace(x=3 * clean.x + 1)}
    made = {}
    for statistics in ("together", "view"):
        torch.manual_seed(0)
        made[statistics] = ConvEncoder(widths=(8, 16), statistics=statistics).bind(GRIDS["image"], ("crop_1", "crop_2"))
    for name, view in both.items():
        alone = made["together"]({name: view})[name].pooled
        torch.testing.assert_close(made["view"](both)[name].pooled, alone)
        assert (made["together"](both)[name].pooled - alone).abs().max() > 0.1
    with pytest.raises(ValueError, match=r"encoder\.statistics='own' is not known; take together or view"):
        ConvEncoder(statistics="own")


def test_convolutions_are_told_of_padding():
    grid = GRIDS["wave"]
    encoder = ConvEncoder(widths=[8]).bind(grid, ("echo",)).eval()
    view = sample(grid)
    short = (torch.arange(32) < 20).expand(len(view.x), -1)
    with torch.no_grad():
        plain, corruption_params, hole = (
            encoder({"echo": v})["echo"].pooled for v in (view, view._replace(valid=short), view._replace(mask=~short))
        )
    torch.testing.assert_close(corruption_params, hole)
    assert not torch.allclose(corruption_params, plain)
