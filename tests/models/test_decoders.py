"""Decoders on every grid that they claim to work on."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from helpers.cases import DECODERS, GRIDS, sample

from ssl_pipeline.models.decoders import AutoregressiveDecoder, CrossAttentionDecoder, UNetDecoder
from ssl_pipeline.models.estimates import DctShrinkage, FlatFilling
from ssl_pipeline.structures.batch import Latent
from ssl_pipeline.structures.grid import GridSpec

DECODER_GRIDS = [(case, grid) for case in DECODERS for grid in case.grids]


@pytest.mark.parametrize(("case", "name"), DECODER_GRIDS)
def test_decoder_gives_the_patches_of_its_target(case, name):
    grid = GRIDS[name]
    dense = tuple((n + 3) // 4 for n in grid.shape)
    levels = finer(grid)
    decoder = case.build(**case.options).bind(grid, 16, dense_shape=dense, n_params=2, finer=levels)
    for parameter in decoder.parameters():  # so that no layer starts as nothing
        parameter.data += 0.1 * torch.randn_like(parameter)
    n, maps = (
        torch.Size(dense).numel(),
        tuple(torch.randn(3, level.vocab or level.channels, *level.shape) for level in levels),
    )
    latent = Latent(torch.randn(3, n, 16), torch.randn(3, 16), dense_shape=dense, finer=maps)
    corruption_params, target = torch.randn(3, 2), decoder.patches.split(sample(grid, 3).x)
    every = decoder.eval()(latent, corruption_params=corruption_params, target=target)
    width = grid.vocab or decoder.patches.width
    assert every.shape == (3, decoder.patches.count, width)
    places = torch.tensor([[0, 2], [1, 0], [2, 1]])
    some = decoder(latent, places, corruption_params, target)
    torch.testing.assert_close(some, every.gather(1, places.unsqueeze(-1).expand(-1, -1, width)), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(every, decoder(latent, corruption_params=corruption_params.flip(0) * 2, target=target))
    assert decoder.generate(latent, corruption_params).shape == every.shape
    if decoder.causal:
        with pytest.raises(ValueError, match="continues from the true symbols"):
            decoder(latent, corruption_params=corruption_params)


def finer(grid):
    """Levels above tokens of a quarter of the cells along each axis, of an encoder that keeps them."""
    half = tuple((n + 1) // 2 for n in grid.shape)
    return grid, replace(grid, channels=4, vocab=None), replace(grid.resized(half), channels=6, vocab=None)


def unet(level_drop=0.0, grid=GRIDS["image"], **options):
    """A decoder with finer levels, and a latent of three samples."""
    torch.manual_seed(0)
    levels, dense = finer(grid), tuple((n + 3) // 4 for n in grid.shape)
    decoder = UNetDecoder(blocks=1, level_drop=level_drop, **options).bind(grid, 16, dense, finer=levels)
    maps = tuple(torch.randn(3, level.vocab or level.channels, *level.shape) for level in levels)
    tokens = torch.randn(3, torch.Size(dense).numel(), 16)
    return decoder, Latent(tokens, tokens.mean(1), dense_shape=dense, finer=maps)


def test_unet_gives_the_view_before_it_has_learned():
    decoder, latent = unet()
    torch.testing.assert_close(decoder(latent), decoder.patches.split(latent.finer[0]), rtol=0.02, atol=0.02)


def test_unet_mixes_the_view_with_what_lies_under_its_noise():
    decoder, latent = unet(grid=GRIDS["grey"], estimates={"shrinkage": partial(DctShrinkage, thresholds=[3.0])})
    noisy = latent._replace(finer=(torch.randn_like(latent.finer[0]), *latent.finer[1:]))
    made = decoder.patches.join(decoder(noisy))
    assert made.std() < 0.8 * noisy.finer[0].std()  # half way, before it has learned
    decoder.mixer.bias.data.fill_(-20.0)
    torch.testing.assert_close(decoder.patches.join(decoder(noisy)), noisy.finer[0], rtol=0.02, atol=0.02)


def test_unet_estimates_numbers_like_the_view():
    options = {"estimates": {"filling": FlatFilling}}
    with pytest.raises(ValueError, match=r"\['filling'\] .* come in and go out alike: set decoder.estimates=null"):
        unet(grid=GRIDS["text"], **options)
    levels = finer(GRIDS["image"])
    other = replace(GRIDS["image"], channels=1)
    with pytest.raises(ValueError, match="come in and go out alike"):
        UNetDecoder(**options).bind(other, 16, (2, 3), finer=levels)


def test_unet_repeats_the_symbols_of_the_view_before_it_has_learned():
    grid = GRIDS["text"]
    decoder, latent = unet(grid=grid)
    symbols = torch.randint(grid.vocab, (3, *grid.shape))
    view = torch.nn.functional.one_hot(symbols, grid.vocab).movedim(-1, 1).float()
    logits = decoder(latent._replace(finer=(view, *latent.finer[1:])))
    assert torch.equal(logits.argmax(-1), symbols.flatten(1))
    assert logits.softmax(-1).max() < 1


def test_unet_decodes_symbols_one_by_one():
    with pytest.raises(ValueError, match=r"decoder.patch=2: a discrete grid is decoded cell by cell"):
        UNetDecoder(patch=2).bind(GRIDS["text"], 16, (3,), finer=finer(GRIDS["text"]))


def test_unet_decodes_some_samples_from_the_deepest_level_alone():
    decoder, latent = unet(level_drop=0.5)
    for parameter in decoder.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    deep = decoder.eval()(latent._replace(finer=tuple(torch.zeros_like(level) for level in latent.finer)))
    whole, seen = decoder(latent), set()
    decoder.train()
    for _ in range(20):
        for made, of_all, of_deep in zip(decoder(latent), whole, deep, strict=True):
            alone = torch.allclose(made, of_deep, atol=1e-5)
            assert alone or torch.allclose(made, of_all, atol=1e-5)
            seen.add(alone)
    assert seen == {True, False}


def test_unet_leaves_out_levels_of_another_size():
    decoder, latent = unet()
    decoder.head.weight.data.normal_()
    small = latent._replace(finer=tuple(level[..., :2] for level in latent.finer))
    zero = latent._replace(finer=tuple(torch.zeros_like(level) for level in latent.finer))
    torch.testing.assert_close(decoder(small), decoder(zero))


@pytest.mark.parametrize("levels", [(), finer(GRIDS["image"])[:1]])
def test_unet_needs_a_latent_that_keeps_levels(levels):
    with pytest.raises(ValueError, match=r"^decoder=unet adds the finer levels.*set encoder=unet latent=tokens"):
        UNetDecoder().bind(GRIDS["image"], 16, (2, 3), finer=levels)


def test_query_decoder_reads_only_valid_tokens():
    grid = GRIDS["image"]
    decoder = CrossAttentionDecoder(width=24, heads=2).bind(grid, 16)
    tokens, valid = torch.randn(2, 5, 16), torch.tensor([[True, True, True, False, False]] * 2)
    torch.testing.assert_close(
        decoder(Latent(tokens, tokens.mean(1), valid=valid)), decoder(Latent(tokens[:, :3], tokens.mean(1)))
    )


TEXT = GridSpec.of(("position", 16), vocab=50, mask_token=49, end_token=48)
SMALL = {"width": 24, "heads": 2}


def reading(batch=4, n_params=0, **options):
    """A next-symbol decoder, a latent and a text."""
    torch.manual_seed(0)
    decoder = AutoregressiveDecoder(**{**SMALL, **options}).bind(TEXT, 16, n_params=n_params)
    tokens = torch.randn(batch, 3, 16)
    return decoder.eval(), Latent(tokens, tokens.mean(1)), torch.randint(0, 48, (batch, 16, 1))


@pytest.mark.parametrize(("depth", "context"), [(2, None), (1, 3), (2, 3), (3, 2), (2, 1), (2, 0)])
def test_next_symbols_depend_on_those_in_their_context(depth, context):
    decoder, latent, text = reading(depth=depth, context=context)
    other = text.clone()
    other[:, 5] = (text[:, 5] + 1) % 48
    difference = (decoder(latent, target=text) - decoder(latent, target=other)).abs().amax((0, 2))
    last = 16 if context is None else 5 + context
    reached = torch.zeros(16, dtype=torch.bool)
    reached[6 : last + 1] = True
    assert (difference > 1e-6).equal(reached)


@pytest.mark.parametrize(("context", "n_params"), [(None, 0), (None, 2), (3, 0), (0, 2)])
def test_generated_symbols_are_what_forward_gives_after_them(context, n_params):
    decoder, latent, _ = reading(context=context, n_params=n_params, depth=3)
    numbers = torch.randn(4, n_params) if n_params else None
    with torch.no_grad():
        decoder.head.bias[48] = -9.0  # no end
        made = decoder.generate(latent, numbers)
        again = decoder(latent, None, numbers, made.argmax(-1, keepdim=True))
    torch.testing.assert_close(made, again, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("context", [None, 2, 0])
def test_after_its_end_a_text_has_only_ends(context):
    decoder, latent, _ = reading(batch=32, context=context)
    with torch.no_grad():
        decoder.head.bias[48] = 0.9
        symbols = decoder.generate(latent).argmax(-1)
    assert (symbols == 48).any() and (symbols != 48).any()
    for row in symbols.tolist():
        if 48 in row:
            assert set(row[row.index(48) :]) == {48}


def test_next_symbol_decoder_reads_only_valid_tokens():
    decoder, latent, text = reading()
    valid = torch.tensor([[True, True, False]] * 4)
    short = Latent(latent.tokens[:, :2], latent.pooled)
    masked_out = latent._replace(valid=valid)
    torch.testing.assert_close(decoder(masked_out, target=text), decoder(short, target=text))
    torch.testing.assert_close(decoder.generate(masked_out), decoder.generate(short))
    assert not torch.allclose(decoder(latent, target=text), decoder(short, target=text))


def test_blank_symbols_are_for_training_only():
    decoder, latent, text = reading(token_drop=1.0)
    other = text.flip(1)
    assert not torch.allclose(decoder(latent, target=text), decoder(latent, target=other))
    decoder.train()
    torch.testing.assert_close(decoder(latent, target=text), decoder(latent, target=other))


def test_next_symbol_decoder_learns_texts_by_heart():
    decoder, latent, text = reading(width=32)
    text[:, 12:] = 48
    decoder.train()
    optimiser = torch.optim.AdamW(decoder.parameters(), lr=1e-2)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(decoder(latent, target=text).flatten(0, 1), text.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert decoder.eval().generate(latent).argmax(-1).equal(text.squeeze(-1))


@pytest.mark.parametrize("context", [None, 2])
def test_next_symbol_decoder_runs_in_bfloat16(context):
    decoder, latent, text = reading(token_drop=0.5, context=context, n_params=2)
    with torch.autocast("cpu", torch.bfloat16):
        logits = decoder.train()(latent, None, torch.randn(4, 2), text)
        assert decoder.generate(latent, torch.randn(4, 2)).shape == logits.shape
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize(
    ("grid", "options", "sentence"),
    [
        ("wave", {}, "numbers along time: take decoder=cross_attention"),
        ("codes", {}, "symbols along y, x: take decoder=cross_attention"),
        ("text", {"token_drop": 1.5}, "token_drop=1.5: expected a share"),
        ("text", {"context": -1}, "context=-1: expected a number of symbols"),
        ("text", {"heads": 5}, "heads=5 must divide the width 24"),
    ],
)
def test_next_symbol_decoder_says_what_it_needs(grid, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        AutoregressiveDecoder(**{**SMALL, **options}).bind(GRIDS[grid], 16)
