"""Convolutions: whose statistics they take, what they know of padding, where their tokens lie."""

from __future__ import annotations

import pytest
import torch
from helpers.cases import GRIDS, sample

from ssl_pipeline.models.encoders import ConvEncoder
from ssl_pipeline.structures.batch import clean_view
from ssl_pipeline.structures.grid import GridSpec


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


def test_a_token_of_a_convolutional_encoder_lies_in_the_patch_that_it_stands_for():
    torch.manual_seed(0)
    grid = GridSpec.of(("x", 84), channels=1)
    encoder = ConvEncoder(widths=[16, 16], stride=2).bind(grid, ["a"]).double().eval()
    x = torch.randn(64, 1, 84, dtype=torch.float64, requires_grad=True)
    tokens = encoder({"a": clean_view(grid, x)})["a"].tokens
    for token in range(5, 16):  # of which it sees all cells
        (slope,) = torch.autograd.grad(tokens[:, token].sum(), x, retain_graph=True)
        seen = slope.abs().sum((0, 1)).nonzero()
        assert (seen.min() + seen.max()) / 2 == encoder.reduction * token
    for step in (1, 2, 4, 8, 16):
        for n in range(1, 200):
            count = -(-n // step)
            assert n % count or all(step * token // (n // count) == token for token in range(count))
