"""Holes and parameters of corruptions, in all the forms that a model takes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.inverse_models import GRAPHS, TRANSLATOR, X, holes, model

HOLES = holes()

NAN = X.masked_fill(HOLES.unsqueeze(1), float("nan"))


@pytest.mark.parametrize("name", ["conv", "keep", "vit"])
def test_not_even_nan_in_a_hole_matters(name):
    whole = model(*GRAPHS[name])
    restored = whole.restore(NAN, "mask", HOLES)
    assert torch.equal(restored, whole.restore(X, "mask", HOLES))
    assert torch.equal(whole.embed(NAN, view="mask", mask=HOLES), whole.embed(X, view="mask", mask=HOLES))
    front, _ = whole.split("latent", "mask")
    with torch.no_grad():
        passing, wanted = (front(x, HOLES) for x in (NAN, X))
    pairs = zip(passing, wanted, strict=True) if isinstance(passing, tuple) else [(passing, wanted)]
    assert all(torch.equal(*pair) for pair in pairs)


def test_symbols_in_a_hole_may_be_none_of_the_vocabulary(texts):
    x, valid = texts.codec.encode(["a few words"])
    mask = torch.arange(16).expand(1, 16) == 3
    wrong = x.masked_fill(mask, -7)
    assert torch.equal(texts.restore(wrong, "mask", mask, valid), texts.restore(x, "mask", mask, valid))
    with pytest.raises(ValueError, match="expected symbols from 0 to 257, got -7 to 256: use the run's own codec"):
        texts.embed(wrong)


def test_the_first_half_takes_arrays_and_says_what_it_expects(images, texts):
    front, _ = images.split("latent", "mask")
    with torch.no_grad():
        wanted = front(X, HOLES)
        for x, mask in ((X.numpy(), HOLES.numpy()), (X, HOLES[0]), (X, HOLES.unsqueeze(1).byte())):
            assert torch.equal(front(x, mask), wanted)
    wrong = X[:, :, :4]
    said = []
    for call in (lambda: front(wrong, HOLES), lambda: images.embed(wrong)):
        with pytest.raises(ValueError, match=r"expected samples of shape \(B, 1, 8, 8\), got \(5, 1, 4, 8\)") as one:
            call()
        said.append(str(one.value))
    assert said[0] == said[1]
    with pytest.raises(ValueError, match="expected symbols as int64"):
        texts.split()[0](torch.rand(2, 16))


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        ("2", "factor as one finite number or 5, one a sample, got '2'"),
        (None, "got None"),
        ([2.0, 4.0], r"got an array of shape \(2,\)"),
        (torch.ones(5, 1), r"got an array of shape \(5, 1\)"),
        (float("nan"), "got nan"),
        (torch.tensor([2.0, 2.0, float("inf"), 2.0, 2.0]), "got inf"),
    ],
)
def test_what_a_damage_is_told_is_a_number(unchecked, factor, words):
    whole = model(*TRANSLATOR)
    with pytest.raises(ValueError, match=words):
        whole.translate(X, "noise", "lowres", factor=factor)
    for same in (np.float32(2), np.full(5, 2), [2] * 5):
        assert torch.equal(
            whole.translate(X, "noise", "lowres", factor=same), whole.translate(X, "noise", "lowres", factor=2)
        )


@pytest.mark.parametrize(
    "same", [HOLES.byte(), HOLES.numpy(), HOLES.unsqueeze(1), HOLES[0], HOLES[0].numpy().astype(np.uint8)]
)
def test_holes_in_all_their_forms(images, same):
    assert torch.equal(images.restore(X, "mask", same), images.restore(X, "mask", HOLES))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (HOLES.byte() * 255, r"of shape \(5, 8, 8\) and bool, got .*uint8: pass mask > 0"),
        (HOLES.float(), r"of shape \(5, 8, 8\) and bool, got .*float32: pass mask > 0"),
        (HOLES.long(), "pass mask > 0"),
        (HOLES[:3], r"of shape \(5, 8, 8\) and bool, got \(3, 8, 8\)"),
        (HOLES[0, 0], r"or one mask \(8, 8\) for all"),
        ("holes", "expected mask as an array or tensor of numbers, got str"),
    ],
)
def test_other_holes_are_refused(images, unchecked, wrong, words):
    with pytest.raises(ValueError, match=words):
        images.restore(X, "mask", wrong)


def test_one_mask_of_a_line_is_for_all(texts):
    x, valid = texts.codec.encode(["a few words", "and more"])
    mask = torch.arange(16) == 3
    each = mask.expand(2, 16)
    assert torch.equal(texts.restore(x, "mask", mask, valid), texts.restore(x, "mask", each, valid))
