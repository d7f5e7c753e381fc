"""A mistake in a call from Python ends where it was made, in one sentence."""

import inspect

import numpy as np
import pytest
import torch

import ssl_pipeline as sslp
from ssl_pipeline.config.registry import lookup


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        (
            lambda: sslp.Mask(ratio="a"),
            ValueError,
            "Mask(ratio='a'): expected a number, a list of 2 numbers, a list of numbers or None",
        ),  # pyright: ignore
        (lambda: sslp.AdamW("a"), ValueError, "AdamW(lr='a'): expected a number"),  # pyright: ignore
        (lambda: sslp.Mask(rato=0.5), TypeError, "Mask has no argument 'rato'; nearest: ratio"),  # pyright: ignore
        (lambda: sslp.AdamW(lr="x"), ValueError, "AdamW(lr='x'): expected a number"),  # pyright: ignore
        (lambda: sslp.ViT(width=1.5), ValueError, "ViT(width=1.5): expected a whole number"),  # pyright: ignore
        (
            lambda: sslp.pretrain("digits", steps="ten"),  # pyright: ignore
            ValueError,
            "pretrain(steps='ten'): expected a whole number or None",
        ),
        (
            lambda: sslp.pretrain("digits", batch_size="x"),  # pyright: ignore
            ValueError,
            "pretrain(batch_size='x'): expected a whole number or None",
        ),
        (lambda: sslp.pretrain("digits", epoch=1), TypeError, "pretrain has no argument 'epoch'; nearest: epochs"),  # pyright: ignore
        (lambda: sslp.pretrain(), TypeError, "pretrain needs the argument data"),  # pyright: ignore
        (lambda: sslp.embed("run", outt="x"), TypeError, "embed has no argument 'outt'; nearest: out"),  # pyright: ignore
    ],
)
def test_a_wrong_argument_is_named(call, kind, said):
    with pytest.raises(kind) as found:
        call()
    assert str(found.value) == said


def test_what_numbers_are_stays():
    assert sslp.Mask(ratio=np.float64(0.5)) and sslp.Noise(sigma=1)


def test_classes_of_other_packages_stay_as_they_are():
    assert not hasattr(torch.optim.SGD.__init__, "__wrapped__") and lookup("optimizer", "sgd")


def test_signatures_are_still_read():
    assert {"data", "steps"} < {*inspect.signature(sslp.pretrain).parameters}
    assert "ratio" in inspect.signature(sslp.Mask).parameters
