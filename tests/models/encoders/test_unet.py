"""The way down of a U-shaped network."""

from __future__ import annotations

import pytest
import torch
from helpers.cases import GRIDS, sample

from ssl_pipeline.models.encoders import UNetEncoder


def test_unet_keeps_the_view_and_every_level_above_the_tokens():
    grid = GRIDS["image"]
    encoder = UNetEncoder(widths=[8, 16, 12], blocks=1).bind(grid, ("echo",)).eval()
    view = sample(grid)
    with torch.no_grad():
        latent = encoder({"echo": view})["echo"]
    assert torch.equal(latent.finer[0], view.x)
    levels = [(grid.channels, grid.shape), *((level.channels, level.shape) for level in encoder.finer[1:])]
    assert [(level.shape[1], tuple(level.shape[2:])) for level in latent.finer] == levels


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"fold": 5}, r"encoder.fold=5 does not divide \[8, 12\] cells: set encoder.fold=1"),
        ({"widths": [8]}, r"encoder.widths=\[8\], encoder.blocks=2: expected two levels or more, and a block"),
    ],
)
def test_unet_refuses_what_does_not_fit(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        UNetEncoder(**options).bind(GRIDS["image"], ("echo",))
