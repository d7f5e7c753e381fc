"""A share of the samples is decoded, as those samples alone would be."""

from __future__ import annotations

import pytest
import torch
from helpers.cases import GRIDS
from helpers.graphs import CONV, CONV_DECODER, batch, make

from ssl_pipeline.structures.batch import Batch, View


def test_a_share_of_the_samples_is_decoded():
    overrides = ["corruption=echo+lowres", *CONV, *CONV_DECODER]
    whole, half = make(*overrides).eval(), make(*overrides, "objective.reconstruct.share=0.5").eval()
    data = batch(n=8)
    first = Batch(x=data.x[:4], source=data.source[:4])
    torch.testing.assert_close(half(half.corrupt(data)), whole(whole.corrupt(first)))
    assert not torch.allclose(half(half.corrupt(data))["loss"], whole(whole.corrupt(data))["loss"])
    seen = []
    half.decoders["clean"].register_forward_hook(lambda _, given, __: seen.append(len(given[0].tokens)))
    half(half.corrupt(data))
    assert seen == [4, 4]
    with pytest.raises(ValueError, match=r"share=0\.0: expected"):
        make("objective.reconstruct.share=0.0")


def test_of_a_share_holes_places_and_padding_are_those_of_its_samples():
    grid = GRIDS["text"]
    data = batch(grid, 8)
    valid = torch.arange(16) < torch.randint(4, 17, (8, 1), generator=torch.Generator().manual_seed(0))
    padded = Batch(x=data.x, source=data.source, valid=valid)
    overrides = ["corruption=mask+reversal", "objective=cross_entropy"]
    whole = make(*overrides, grid=grid).eval()
    some = make(*overrides, "objective.cross_entropy.share=0.25", grid=grid).eval()
    views = some.corrupt(padded)
    kept = views._replace(
        clean=View(*(_rows(v, 2) for v in views.clean)),
        views={name: View(*(_rows(v, 2) for v in view)) for name, view in views.views.items()},
    )
    torch.testing.assert_close(some(views), whole(kept))


def _rows(value, n):
    if isinstance(value, dict):
        return {key: _rows(v, n) for key, v in value.items()}
    return value[:n] if isinstance(value, torch.Tensor) and len(value) == 8 else value
