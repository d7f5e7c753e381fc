"""Inverse models: restored, translated, cut in two."""

from __future__ import annotations

import pytest
import torch
from helpers.inverse_models import COLOUR, CONV, GRAPHS, IMAGE, TEXT, X, holes, known, model

from ssl_pipeline.data import Bytes
from ssl_pipeline.evaluation.cycles import cycle_errors, translations
from ssl_pipeline.inference.inference import Inference
from ssl_pipeline.inference.modules import cuts
from ssl_pipeline.inference.path import GraphPath
from ssl_pipeline.structures.batch import Batch, clean_view
from ssl_pipeline.structures.random import generator


@pytest.mark.parametrize("name", GRAPHS)
def test_the_halves_of_every_cut_are_the_restorer(name):
    whole = model(*GRAPHS[name])
    deeper = {"encoder.2"} if name == "unet" else set()
    assert {"latent", "encoder.0", "encoder.1", "decoder.0", "decoder.1"} | deeper == set(cuts(whole.graph))
    for view in whole.views:
        restored = whole.restore(X, view, **known(view))
        for at in cuts(whole.graph):
            front, back = whole.split(at, view)
            with torch.no_grad():
                passing = front(X, **known(view))
                passing = (passing,) if isinstance(passing, torch.Tensor) else passing
                found, named = back(*passing), back(**dict(zip(back.inputs, passing, strict=True)))
            assert front.outputs == back.inputs and len(passing) == len(back.inputs)
            assert torch.equal(found, named)
            where = holes().unsqueeze(1) if view == "mask" else torch.ones_like(X, dtype=torch.bool)
            assert torch.allclose(found[where], restored[where], atol=1e-5), (view, at)


@pytest.mark.parametrize("name", GRAPHS)
def test_no_weight_is_in_both_halves_and_none_is_lost(name):
    whole = model(*GRAPHS[name])
    path = GraphPath(whole.graph, ["noise"], ["clean"]).state_dict()
    for at in cuts(whole.graph):
        front, back = (half.state_dict() for half in whole.split(at, "noise"))
        assert {key.split(".")[0] for key in front.keys() & back.keys()} == {"normalize"}, at
        assert front.keys() | back.keys() == path.keys(), at


def test_what_passes_a_cut_is_all_that_the_second_half_knows():
    whole = model(*GRAPHS["conv"])
    for at in cuts(whole.graph):
        front, back = whole.split(at, "noise")
        with torch.no_grad():
            a, b = back(front(X)), back(torch.zeros_like(front(X)))
        assert not torch.allclose(a, b) and torch.equal(b[0], b[1])


@pytest.mark.parametrize("name", ["conv", "keep", "vit"])
def test_only_holes_are_filled_and_what_stands_in_them_does_not_matter(name):
    whole = model(*GRAPHS[name])
    mask = holes()
    restored = whole.restore(X, "mask", mask)
    outside = ~mask.unsqueeze(1)
    assert torch.equal(restored[outside], X[outside])
    scratched = torch.where(mask.unsqueeze(1), 1.0, X)
    assert torch.allclose(whole.restore(scratched, "mask", mask), restored, atol=1e-6)
    assert not torch.equal(restored[~outside], X[~outside])


def test_a_hole_is_filled_as_in_training():
    whole = model(*GRAPHS["conv"], "corruption.mask.cell=2", "corruption.mask.fill=0.7")
    mask = whole.graph.corruptions["mask"]
    drawn = mask(clean_view(IMAGE, X), generator("cpu", 3))
    given = mask.with_mask(clean_view(IMAGE, X), drawn.mask)
    assert torch.equal(drawn.x, given.x) and torch.equal(drawn.mask, given.mask)
    assert torch.allclose(
        whole.restore(X, "mask", drawn.mask),
        Inference(whole.graph).restore("mask", drawn).where(drawn.mask.unsqueeze(1), X),
        atol=1e-5,
    )


def test_where_holes_have_moved_everything_is_decoded():
    whole = model(*CONV, "corruption=mask-reversal+noise")
    assert not torch.equal(whole.restore(X, "mask-reversal", holes())[:, :, 7], X[:, :, 7])


def test_translations_are_told_what_is_to_happen():
    whole = model(
        *CONV, "corruption=noise+lowres+mask", "objective=reconstruct+reconstruct", "objective.reconstruct_2.to=lowres"
    )
    two, four = (whole.translate(X, "noise", "lowres", factor=factor) for factor in (2, 4))
    assert two.shape == X.shape and not torch.allclose(two, four)
    each = whole.translate(X, "noise", "lowres", factor=torch.tensor([2.0, 4.0, 2.0, 4.0, 4.0]))
    assert torch.allclose(each[0], two[0], atol=1e-5) and torch.allclose(each[1], four[1], atol=1e-5)
    assert whole.translate(X, "mask", "lowres", holes(), factor=2).shape == X.shape
    for call, words in (
        (lambda: whole.translate(X, "noise", "lowres"), "takes factor=..., got nothing"),
        (lambda: whole.translate(X, "noise", "lowres", factor=2, sigma=1), "got factor, sigma"),
        (lambda: whole.translate(X, "lowres", "noise", sigma=1), "no decoder leads to noise"),
        (lambda: whole.translate(X, "lowers", "noise", sigma=1), "there is no view 'lowers'; nearest: lowres"),
    ):
        with pytest.raises(ValueError, match=words):
            call()


def test_batches_do_not_change_the_result_and_none_is_an_answer():
    whole = model(*GRAPHS["vit"])
    assert torch.allclose(whole.restore(X, "mask", holes(), batch_size=2), whole.restore(X, "mask", holes()), atol=1e-5)
    assert whole.restore(X[:0], "noise").shape == (0, 1, 8, 8)
    assert whole.embed((X * 255).to(torch.uint8).numpy()).shape == (5, 24)
    with pytest.raises(ValueError, match="batch_size=0"):
        whole.embed(X, batch_size=0)
    with pytest.raises(ValueError, match=r"expected mask of shape \(5, 8, 8\) and bool, got \(3, 8, 8\)"):
        whole.restore(X, "mask", holes(3))


def test_a_view_is_told_to_the_encoder():
    whole = model(*GRAPHS["conv"])
    assert not torch.allclose(whole.embed(X), whole.embed(X, view="noise"))
    assert not torch.allclose(whole.embed(X, view="mask", mask=holes()), whole.embed(X, view="noise"))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m: m.restore(X, "msk"), "there is no view 'msk'; nearest: mask"),
        (lambda m: m.restore(X, "mask"), "view mask is masked: pass mask"),
        (lambda m: m.restore(X, "noise", holes()), "view noise is not masked: leave out mask"),
        (lambda m: m.split("encoder.9"), r"cannot be cut at 'encoder\.9'; nearest: encoder"),
        (lambda m: m.part("restorer"), "there is no part 'restorer': expected encoder"),
        (lambda m: m.part("teacher"), "no teacher of its own"),
        (lambda m: m.part("restorer:noise", "mask"), "says itself which view it takes"),
        (lambda m: m.part(), "holds many models: name a part"),
        (lambda m: m.embed(torch.rand(2, 1, 9, 9)), r"expected samples of shape \(B, 1, 8, 8\), got .*: resize"),
        (lambda m: m.embed(torch.rand(2, 3, 8, 8)), "mix them down to 1"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(call, words):
    with pytest.raises(ValueError, match=words):
        call(model(*GRAPHS["conv"]))


def test_grey_images_are_refused_by_a_model_of_colours():
    with pytest.raises(ValueError, match="repeat the channel 3 times"):
        model(*CONV, "corruption=noise", grid=COLOUR).embed(X)


def test_without_a_decoder_there_is_nothing_to_restore():
    whole = model(*CONV, "corruption=crop+crop", "objective=info_nce")
    for call in (lambda: whole.restore(X, "crop_1"), lambda: whole.split()):
        with pytest.raises(ValueError, match="decoder"):
            call()
    assert whole.part("front@latent")(X).shape == (5, 16, 16)


def test_texts_are_restored_and_the_symbol_of_a_hole_says_where_it_is():
    codec = Bytes(length=16)
    whole = model(*TEXT, "corruption=mask+noise", "corruption.mask.cell=1", grid=codec.grid, codec=codec)
    x, valid = codec.encode(["a few words", "and more of them"])
    holed = x.clone()
    holed[:, 2:4] = codec.grid.mask_token
    restored = whole.restore(holed, "mask", valid=valid)
    kept = holed != codec.grid.mask_token
    assert torch.equal(restored[kept], x[kept]) and (restored[~kept] != codec.grid.mask_token).any()
    assert whole.restore(["a few words"], "noise").shape == (1, 16)
    front, back = whole.split("latent", "noise")
    with torch.no_grad():
        assert torch.equal(back(*front(x)), whole.restore(x, "noise"))


def test_a_decoder_of_symbol_after_symbol_gives_the_next_one():
    codec = Bytes(length=16)
    whole = model(*TEXT, "decoder=autoregressive", "corruption=noise", grid=codec.grid, codec=codec)
    x, _ = codec.encode(["a few words", "and more of them"])
    step, front = whole.part("decoder"), whole.part("front@latent")
    with torch.no_grad():
        z, valid = front(x)
        written = torch.zeros_like(x)
        for place in range(x.shape[1]):
            logits = step(z, written, torch.full((2,), place), valid)
            written[:, place] = logits.argmax(-1)
    wanted = whole.restore(x, "noise")
    ended = (wanted == codec.grid.end_token).cumsum(1) > 1  # after its end a text has only ends
    assert torch.equal(written[~ended], wanted[~ended])
    assert {at.partition(".")[0] for at in cuts(whole.graph)} == {"encoder", "latent"}


def test_cycles_are_measured_at_every_cut():
    whole = model(*GRAPHS["vit"])
    found = cycle_errors(whole.graph, X)
    assert [row.at for row in found] == cuts(whole.graph)
    assert [row.numbers for row in found] == [16 * 24] * 3 + [16 * (16 + 24)] * 2
    front, back = whole.split("latent")
    with torch.no_grad():
        z = front(X)
        x = back(z)
        again = front(x)
    latent = found[2]
    assert latent.x == pytest.approx(float((x - X).square().mean() / (X - X.mean(0)).square().mean()), rel=1e-4)
    assert latent.z == pytest.approx(float((again - z).square().mean() / (z - z.mean(0)).square().mean()), rel=1e-4)


def test_translations_are_measured_where_they_lead_both_ways():
    terms = "objective=reconstruct+reconstruct"
    both = model(*CONV, "corruption=noise+lowres+mask", terms, "objective.reconstruct_2.to=views")
    batch = Batch(X, torch.arange(5))
    assert [pair.views for pair in translations(both.graph, batch)] == [
        ("noise", "lowres"), ("noise", "mask"), ("lowres", "mask")
    ]  # fmt: skip
    one = model(*CONV, "corruption=noise+lowres", terms, "objective.reconstruct_2.to=lowres")
    assert translations(one.graph, batch) == []
